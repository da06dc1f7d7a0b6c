package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twinspan/twinspan/daemon/config"
)

// Charge is what a VPN gateway costs a month. Tunnels and customer gateways are
// free.
type Charge struct {
	Gateway, VPC, Region string
	BandwidthMbps        int
	Monthly              config.Money
	Priced               bool       // there is a price: the tiers beyond the product's have none of their own
	From                 config.Pos // where the files set the price; nowhere for the product's own
}

// The product's prices of a month, by bandwidth in Mbit/s.
var (
	usualPrices   = map[int64]config.Money{5: 380_00, 10: 880_00, 20: 1880_00, 50: 4880_00, 100: 9880_00}
	torontoPrices = map[int64]config.Money{5: 480_00, 10: 1330_00, 20: 2330_00, 50: 5330_00, 100: 10330_00}
)

// torontoNames are what the region with prices of its own is called.
var torontoNames = []string{"North America (Toronto)", "Toronto", "na-toronto"}

// makeCharges says what each gateway costs, and checks the prices.
func (m *maker) makeCharges() {
	p := m.cfg.Prices
	m.checkPrices("prices", p.Anywhere)
	for _, region := range slices.Sorted(maps.Keys(p.In)) {
		m.checkPrices("prices."+strconv.Quote(region), p.In[region])
	}
	m.plan.Currency = p.Currency.V
	for _, g := range byName(m.gateways) {
		c := Charge{Gateway: g.Name, VPC: g.VPC.V, BandwidthMbps: int(g.BandwidthMbps.V)}
		if g.vpc != nil {
			c.Region = g.vpc.Region.V
		}
		c.Monthly, c.From, c.Priced = price(p, c.Region, g.BandwidthMbps.V)
		m.plan.Charges = append(m.plan.Charges, c)
	}
}

// checkPrices holds that what has a price is a tier.
func (m *maker) checkPrices(table string, list config.PriceList) {
	for _, tier := range slices.Sorted(maps.Keys(list)) {
		if !slices.Contains(tiers, tier) {
			m.fault(list[tier].Pos, "write one of "+tierWords(), "[%s]: there is no tier of %d Mbit/s", table, tier)
		}
	}
}

// price is the price of a tier in a region, and where the files set it. What
// they say of the region goes before what they say of all, and that before the
// product's.
func price(p config.Prices, region string, tier int64) (config.Money, config.Pos, bool) {
	for _, list := range []config.PriceList{p.In[region], p.Anywhere} {
		if set, ok := list[tier]; ok {
			return set.V, set.Pos, true
		}
	}
	product := usualPrices
	if slices.ContainsFunc(torontoNames, func(name string) bool { return strings.EqualFold(name, region) }) {
		product = torontoPrices
	}
	m, ok := product[tier]
	return m, config.Pos{}, ok
}
