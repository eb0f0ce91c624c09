package importer

// Source sets how findings come in, which is not in the old file: by SNS topics
// if any are named, and by HTTPS otherwise. The URL with its token is on the
// page of sources once tocsin runs.
func Source(c *Map, name string, topics []string) {
	source := (&Map{}).Set("https", &Map{})
	why := "Findings come by POST, such as from an EventBridge API destination; see docs/connect-https.md."
	if len(topics) > 0 {
		source = (&Map{}).Set("sns", (&Map{}).Set("topics", topics))
		why = "Subscribe the URL of this source, which is on the page of sources, to these topics; see docs/connect-sns.md."
	}
	c.Set("sources", (&Map{}).Set(name, source), why)
}
