package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Money is an amount in hundredths of whatever currency it is in.
type Money int64

// String is the amount as people write it: 380, or 49.90.
func (m Money) String() string {
	if m%100 == 0 {
		return strconv.FormatInt(int64(m/100), 10)
	}
	return fmt.Sprintf("%d.%02d", m/100, m%100)
}

// Prices are what `[prices]` says that VPN gateways cost a month. What it does
// not say costs what the product asks, which package plan knows.
type Prices struct {
	Currency Value[string]
	Anywhere PriceList            // in regions that have no price of their own here
	In       map[string]PriceList // by the region's name
}

// PriceList is what a gateway of each bandwidth in Mbit/s costs. Whether there
// is such a tier is not checked.
type PriceList map[int64]Value[Money]

// currencyKey is the only key of [prices] that is neither a tier nor a region.
const currencyKey = "currency"

// prices adds what one file says to the prices.
func prices(t *table, p *Prices) {
	if p.In == nil {
		p.Anywhere, p.In = PriceList{}, map[string]PriceList{}
	}
	set(t, &p.Currency, currencyKey, asWord)
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		_, isTable := t.values[key].(map[string]any)
		switch {
		case key == currencyKey:
		case isTable && badName(key) != "":
			t.fault(t.pos(key), t.prefix+quote(key, longest)+": "+badName(key), "name a region as a VPC does")
		case isTable:
			if p.In[key] == nil {
				p.In[key] = PriceList{}
			}
			region(t.sub(key), p.In[key])
		default:
			price(t, key, p.Anywhere)
		}
	}
}

// region adds the prices of one region.
func region(t *table, list PriceList) {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		price(t, key, list)
	}
}

// price adds the price of one tier.
func price(t *table, key string, list PriceList) {
	tier, err := strconv.ParseInt(key, 10, 64)
	if err != nil || strconv.FormatInt(tier, 10) != key {
		t.fault(t.pos(key), "unknown key "+quote(t.prefix+key, 2*longest),
			`write a bandwidth in Mbit/s and its price, such as 10 = 880, or currency = "CNY" in [prices]`)
		return
	}
	v := list[tier]
	if set(t, &v, key, asMoney); v.IsSet() {
		list[tier] = v
	}
}

// highestPrice leaves room for a sum of very many prices.
const highestPrice = 1_000_000_000

// asMoney takes a price.
func asMoney(v any) (Money, *problem) {
	var amount float64
	switch v := v.(type) {
	case int64:
		amount = float64(v)
	case float64:
		amount = v
	default:
		return 0, &problem{"must be a number, not " + kind(v), "write it without quotes, such as 880 or 49.90"}
	}
	switch hundredths := math.Round(amount * 100); {
	case !(amount >= 0 && amount <= highestPrice):
		return 0, &problem{fmt.Sprintf("must be from 0 to %d", highestPrice), ""}
	case math.Abs(hundredths-amount*100) > 1e-3:
		return 0, &problem{"has more than two digits after the point", "round it to hundredths"}
	default:
		return Money(hundredths), nil
	}
}
