package matrix

import (
	"context"
	"fmt"
)

// directRoom is the room with a person: the one that is kept, or a new one to which
// they are invited.
func (n *notifier) directRoom(ctx context.Context, user string) (string, error) {
	room, err := n.kept(ctx, user)
	if err != nil {
		return "", err
	}
	if room != "" {
		if usable, err := n.reaches(ctx, room, user); err != nil || usable {
			return room, err
		}
	}
	if room, err = n.server.create(ctx, user); err != nil {
		return "", err
	}
	n.direct.Store(user, room)
	if n.state != nil {
		// They are told all the same; after a restart they get another room.
		if err := n.state.Save(ctx, stateKey(user), []byte(room)); err != nil {
			n.log.WarnContext(ctx, "room of a person not kept", "err", err)
		}
	}
	return room, nil
}

// reaches reports whether what is said in the room reaches the person. Somebody who left
// it is invited again.
func (n *notifier) reaches(ctx context.Context, room, user string) (bool, error) {
	is, err := n.server.member(ctx, room, user)
	if err == nil && is != "join" && is != "invite" {
		err = n.server.invite(ctx, room, user)
	}
	if isRefused(err, "M_FORBIDDEN", "M_NOT_FOUND") {
		return false, nil // the account is not in it any more, or may not invite
	}
	return err == nil, err
}

func stateKey(user string) string { return "room/" + user }

// kept is the person's room that is known, or "".
func (n *notifier) kept(ctx context.Context, user string) (string, error) {
	if room, ok := n.direct.Load(user); ok {
		return room.(string), nil
	}
	if n.state == nil {
		return "", nil
	}
	value, err := n.state.Load(ctx, stateKey(user))
	if err != nil {
		return "", fmt.Errorf("look for the room of %s: %w", user, err)
	}
	room := string(value)
	if !roomForm.MatchString(room) {
		return "", nil
	}
	n.direct.Store(user, room)
	return room, nil
}
