package auth

import "time"

// SessionIdle is how long a session of the pages lasts without a request.
const SessionIdle = time.Hour
