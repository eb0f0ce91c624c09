package api

import "context"

// InvitationBody is the body that makes an invitation.
type InvitationBody struct {
	By       string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Receiver string `json:"receiver" jsonschema:"minLength=1,example=phones" doc:"The receiver of the configuration to enrol with; one of the kind web-push."`
}

type inviteIn struct {
	byName
	InvitationBody `body:"json"`
}

// Invitation is a link by which a person enrols an address that nobody knows by
// heart.
type Invitation struct {
	URL string `json:"url" doc:"The link: for that person, for one browser, for 24 hours. Whoever opens it is told in their name."`
}

func (a *api) invite(ctx context.Context, in inviteIn) (Invitation, error) {
	url, err := a.act.Invite(ctx, in.Name, in.Receiver, in.By)
	return Invitation{url}, err
}
