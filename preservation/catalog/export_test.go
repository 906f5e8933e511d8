package catalog

// FeedQueries are how SQLite is asked for the feed, with arguments.
var FeedQueries = map[string][]any{
	feedAfter:  {"a", 0, 7, 100},
	feedBehind: {"a", 0, 7},
	feedEnd:    {"a"},
}
