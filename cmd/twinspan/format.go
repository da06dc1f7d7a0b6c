package main

import (
	"fmt"
	"time"
)

// amount is a count in at most four characters: 999, 1.2K, 310M.
func amount(n uint64) string {
	v, unit := float64(n), ""
	for _, u := range []string{"K", "M", "G", "T", "P", "E"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, u
	}
	if unit == "" || v >= 9.95 {
		return fmt.Sprintf("%.0f%s", v, unit)
	}
	return fmt.Sprintf("%.1f%s", v, unit)
}

// span is a duration in its two largest units: 12s, 4m12s, 3h12m, 2d4h.
func span(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	s := int(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}
