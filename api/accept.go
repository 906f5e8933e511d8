package api

import (
	"mime"
	"strconv"
	"strings"
)

const (
	mediaJSON = "application/json"
	mediaXML  = "application/xml"
	mediaCSV  = "text/csv"
)

// accepted returns the one of the media types on offer that an Accept header
// ranks highest (RFC 9110 §12.5.1), without a preference the first.
func accepted(accept string, offers ...string) string {
	weight := map[string]float64{}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if media == "text/xml" {
			media = mediaXML
		}
		weight[media] = max(weight[media], q)
	}
	best := offers[0]
	for _, o := range offers {
		if weight[o] > weight[best] {
			best = o
		}
	}
	return best
}
