package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// defaultConfig is where the daemon reads its files unless told otherwise.
const defaultConfig = "/etc/twinspan"

// verdict is what check --json prints.
type verdict struct {
	Version  int               `json:"version"`
	Valid    bool              `json:"valid"`
	Tunnels  int               `json:"tunnels"`
	Faults   []api.ConfigFault `json:"faults"`
	Warnings []api.ConfigFault `json:"warnings"`
}

func (c *cli) check() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [PATH]",
		Short: "Check a configuration, without the daemon",
		Long: "Check a configuration: a file, or a directory with twinspan.toml and\n" +
			"conf.d/*.toml; " + defaultConfig + " unless PATH says otherwise. Every fault of all files\n" +
			"is printed with its line and what to write instead; the exit code is then 4.\n" +
			"Warnings do not make a configuration invalid. The daemon is not asked.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := defaultConfig
			if len(args) == 1 {
				path = args[0]
			}
			v, err := judge(path)
			if err != nil {
				return failed(err)
			}
			if asJSON {
				err = c.printJSON(v)
			} else {
				c.printVerdict(path, v)
			}
			if err == nil && !v.Valid {
				return exit{code: exitInvalid}
			}
			return failed(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

// judge reads and checks the configuration at path.
func judge(path string) (verdict, error) {
	v := verdict{Version: api.Schema, Faults: []api.ConfigFault{}, Warnings: []api.ConfigFault{}}
	p, err := read(path)
	var faults config.Faults
	switch {
	case errors.As(err, &faults):
		v.Faults = documents(faults)
	case err != nil:
		return v, err
	default:
		v.Valid, v.Tunnels, v.Warnings = true, len(p.Tunnels), documents(p.Warnings)
	}
	return v, nil
}

func read(path string) (plan.Plan, error) {
	files, err := config.Read(path)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Load(files)
}

func documents(faults []config.Fault) []api.ConfigFault {
	docs := make([]api.ConfigFault, len(faults))
	for i, f := range faults {
		docs[i] = api.ConfigFault{File: f.File, Line: f.Line, What: f.What, Do: f.Do}
	}
	return docs
}

func (c *cli) printVerdict(path string, v verdict) {
	for _, f := range v.Faults {
		fmt.Fprintf(c.out, "%s\n", printable(f.String()))
	}
	for _, w := range v.Warnings {
		fmt.Fprintf(c.out, "%s %s\n", c.paint(yellow, "warning:"), printable(w.String()))
	}
	if v.Valid {
		fmt.Fprintf(c.out, "%s: %s, %s\n", path, c.paint(green, "valid"), count(v.Tunnels, "tunnel"))
		return
	}
	fmt.Fprintf(c.out, "%s: %s, %s\n", path, c.paint(red, "invalid"), count(len(v.Faults), "fault"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
