package daemon

import (
	"errors"

	"github.com/twinspan/twinspan/daemon/api"
	"github.com/twinspan/twinspan/daemon/config"
	"github.com/twinspan/twinspan/daemon/plan"
)

// load reads and checks the configuration at path. It touches nothing else.
// The error is config.Faults: all of them.
func load(path string) (plan.Plan, error) {
	files, err := config.Read(path)
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Load(files)
}

// invalid is a configuration's error as the API tells it.
func invalid(err error) *api.Error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return &api.Error{Code: api.Failed, Message: err.Error()}
	}
	return &api.Error{Code: api.InvalidConfig, Message: "the configuration is invalid; nothing was changed", Faults: configFaults(faults)}
}

func configFaults(faults []config.Fault) []api.ConfigFault {
	out := make([]api.ConfigFault, len(faults))
	for i, f := range faults {
		out[i] = api.ConfigFault{File: f.File, Line: f.Line, What: f.What, Do: f.Do}
	}
	return out
}
