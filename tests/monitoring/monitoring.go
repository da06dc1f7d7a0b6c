// Package monitoring holds what twinspand exports, and the alert rules and the
// dashboard in packaging/monitoring, against Prometheus' own promtool. It knows
// the programs as they are shipped, and nothing of what is inside.
package monitoring
