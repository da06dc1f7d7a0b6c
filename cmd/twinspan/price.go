package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// bill is what price --json prints. Amounts are numbers; one that is not known
// is null.
type bill struct {
	Version  int         `json:"version"`
	Currency string      `json:"currency,omitempty"`
	Gateways []gatewayAt `json:"gateways"`
	Total    json.Number `json:"total"` // of the gateways that have a price
	Unpriced []string    `json:"unpriced"`
}

// gatewayAt is a VPN gateway at its price.
type gatewayAt struct {
	Name          string       `json:"name"`
	VPC           string       `json:"vpc"`
	Region        string       `json:"region,omitempty"`
	BandwidthMbps int          `json:"bandwidth_mbps"`
	Monthly       *json.Number `json:"monthly"`
	From          string       `json:"from,omitempty"` // file and line of [prices], where that sets it
}

func (c *cli) price() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "price [PATH]",
		Short: "Show what the VPN gateways cost a month, without the daemon",
		Long: "Show what the VPN gateways of a configuration cost a month, by bandwidth and\n" +
			"region: a file, or a directory with twinspan.toml and conf.d/*.toml;\n" +
			defaultConfig + " unless PATH says otherwise. Prices are those of the product, unless\n" +
			"[prices] or [prices.REGION] sets others; tunnels and customer gateways are free.\n" +
			"When a gateway has no price the exit code is 1, and 4 when the configuration is\n" +
			"invalid. The daemon is not asked.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := defaultConfig
			if len(args) == 1 {
				path = args[0]
			}
			p, err := read(path)
			var faults config.Faults
			switch {
			case errors.As(err, &faults):
				return exit{exitInvalid, err}
			case err != nil:
				return failed(err)
			}
			return c.showBill(billOf(p), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

// billOf adds up what a plan's gateways cost.
func billOf(p plan.Plan) bill {
	b := bill{Version: api.Schema, Currency: p.Currency, Gateways: []gatewayAt{}, Unpriced: []string{}}
	var total config.Money
	for _, g := range p.Charges {
		row := gatewayAt{Name: g.Gateway, VPC: g.VPC, Region: g.Region, BandwidthMbps: g.BandwidthMbps, From: g.From.String()}
		if g.Priced {
			monthly := json.Number(g.Monthly.String())
			row.Monthly = &monthly
			total += g.Monthly
		} else {
			b.Unpriced = append(b.Unpriced, g.Gateway)
		}
		b.Gateways = append(b.Gateways, row)
	}
	b.Total = json.Number(total.String())
	return b
}

// showBill prints a bill, which fails where its total is not the whole.
func (c *cli) showBill(b bill, asJSON bool) error {
	if asJSON {
		if err := c.printJSON(b); err != nil {
			return failed(err)
		}
	} else {
		c.printBill(b)
	}
	return failed(b.incomplete())
}

// incomplete is the error of a total that is not the whole.
func (b bill) incomplete() error {
	if len(b.Unpriced) == 0 {
		return nil
	}
	var lacking []string
	for _, g := range b.Gateways {
		if g.Monthly == nil {
			lacking = append(lacking, fmt.Sprintf("%s (%d Mbit/s)", g.Name, g.BandwidthMbps))
		}
	}
	return fmt.Errorf("the product has no price for %s; write one under [prices] or [prices.REGION], such as 200 = 18000",
		strings.Join(lacking, ", "))
}

func (c *cli) printBill(b bill) {
	if len(b.Gateways) == 0 {
		fmt.Fprintln(c.out, "no VPN gateway is configured")
		return
	}
	fmt.Fprintln(c.out, c.billTable(b))
	least := ""
	if len(b.Unpriced) > 0 {
		least = "at least "
	}
	total := printable(strings.TrimSpace(b.Total.String() + " " + b.Currency))
	fmt.Fprintf(c.out, "together %s%s a month; tunnels and customer gateways are free\n", least, c.paint(bold, total))
}

func (c *cli) billTable(b bill) string {
	w := c.newTable()
	right := table.ColumnConfig{Align: text.AlignRight, AlignHeader: text.AlignRight}
	bandwidth, month := right, right
	bandwidth.Number, month.Number = 4, 5
	w.SetColumnConfigs([]table.ColumnConfig{bandwidth, month})
	w.AppendHeader(table.Row{"GATEWAY", "VPC", "REGION", "MBIT/S", "A MONTH", "PRICE OF"})
	for _, g := range b.Gateways {
		row := table.Row{printable(g.Name), printable(g.VPC), cmp.Or(printable(g.Region), "-"), g.BandwidthMbps, "-", "-"}
		if g.Monthly != nil {
			row[4], row[5] = *g.Monthly, cmp.Or(printable(g.From), "the product")
		}
		w.AppendRow(row)
	}
	return render(w)
}
