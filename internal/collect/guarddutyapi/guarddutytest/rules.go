package guarddutytest

import (
	"encoding/json"
	"net/http"
)

// A Rule is one of EventBridge's on the default event bus.
type Rule struct {
	Name      string
	Pattern   string // "" for a schedule
	Disabled  bool
	ManagedBy string
	Targets   []string // ARNs
}

// Forward has rules on the event bus of an account in a region, in the stead of those
// that are there.
func (f *Fake) Forward(account, region string, rules ...Rule) {
	f.change(func() { f.rules[[2]string{account, region}] = rules })
}

// events are EventBridge's operations.
var events = map[string]func(*Fake, *Call) (any, *Fault){
	"ListRules":         listRules,
	"ListTargetsByRule": listTargets,
}

func listRules(f *Fake, c *Call) (any, *Fault) {
	all := []any{}
	for _, r := range f.rules[[2]string{c.Account, c.Region}] {
		out := map[string]any{"Name": r.Name, "Arn": "arn:aws:events:" + c.Region + ":" + c.Account + ":rule/" + r.Name, "State": "ENABLED", "EventBusName": "default"}
		if r.Pattern != "" {
			out["EventPattern"] = r.Pattern
		}
		if r.Disabled {
			out["State"] = "DISABLED"
		}
		if r.ManagedBy != "" {
			out["ManagedBy"] = r.ManagedBy
		}
		all = append(all, out)
	}
	return map[string]any{"Rules": all}, nil
}

func listTargets(f *Fake, c *Call) (any, *Fault) {
	var in struct{ Rule string }
	if json.Unmarshal(c.Input, &in) == nil {
		for _, r := range f.rules[[2]string{c.Account, c.Region}] {
			if r.Name != in.Rule {
				continue
			}
			all := []any{}
			for i, t := range r.Targets {
				all = append(all, map[string]any{"Id": string(rune('a' + i)), "Arn": t})
			}
			return map[string]any{"Targets": all}, nil
		}
	}
	return nil, &Fault{Status: http.StatusBadRequest, Code: "ResourceNotFoundException", Message: "Rule " + in.Rule + " does not exist on EventBus default."}
}
