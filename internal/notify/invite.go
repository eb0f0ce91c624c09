package notify

// An Inviter is a notifier whose addresses people do not know by heart, so that
// they enrol by a link: a browser that wants to be told. The link is signed, and
// for that person alone.
type Inviter interface {
	Invite(person string) (url string, err error)
}
