package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// Alarms are the alarm policies, what fires, and what was told.
func (c *Client) Alarms(ctx context.Context) (api.Alarms, error) {
	return call[api.Alarms](ctx, c, http.MethodGet, "/v1/alarms")
}

// TestReceiver has a test notice sent, and waits until the receiver took it.
func (c *Client) TestReceiver(ctx context.Context, name string) (api.Tested, error) {
	return call[api.Tested](ctx, c, http.MethodPost, "/v1/receivers/"+url.PathEscape(name)+"/test")
}

// Silence keeps the notices of an alarm and an object back for a time, "" for all.
// No time takes such a silence away.
func (c *Client) Silence(ctx context.Context, alarm, object string, length time.Duration) (api.Alarms, error) {
	q := url.Values{"alarm": {alarm}, "object": {object}, "seconds": {strconv.FormatInt(int64(length/time.Second), 10)}}
	return call[api.Alarms](ctx, c, http.MethodPost, "/v1/silences?"+q.Encode())
}
