package config_test

import (
	"testing"

	"github.com/twinspan/twinspan/daemon/config"
)

// Prices are read to the last hundredth, from several files, and said again as
// they were written.
func TestPrices(t *testing.T) {
	const here, there = "[prices]\n5 = 380\n10 = 879.9\n[prices.\"上海\"]\n5 = 0.07\n", "prices.20 = 999_999_999.99\nprices.\"上海\".10 = 1e3\nprices.currency = \"元\"\n"
	c, err := config.Parse([]config.File{{Name: "here.toml", Data: []byte(here)}, {Name: "there.toml", Data: []byte(there)}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Prices.Currency.V != "元" || len(c.Prices.Anywhere) != 3 || len(c.Prices.In) != 1 {
		t.Errorf("the prices are %+v", c.Prices)
	}
	for _, tc := range []struct {
		list config.PriceList
		tier int64
		want string
		at   string
	}{
		{c.Prices.Anywhere, 5, "380", "here.toml:2"},
		{c.Prices.Anywhere, 10, "879.90", "here.toml:3"},
		{c.Prices.Anywhere, 20, "999999999.99", "there.toml:1"},
		{c.Prices.In["上海"], 5, "0.07", "here.toml:5"},
		{c.Prices.In["上海"], 10, "1000", "there.toml:2"},
	} {
		if got := tc.list[tc.tier]; got.V.String() != tc.want || got.Pos.String() != tc.at {
			t.Errorf("the price of %d is %v at %v, and not %s at %s", tc.tier, got.V, got.Pos, tc.want, tc.at)
		}
	}
}
