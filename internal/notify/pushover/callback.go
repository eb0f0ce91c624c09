package pushover

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	formMax = 64 << 10
	actTime = 10 * time.Second
)

// callbackOf is where Pushover says that an emergency was acknowledged: it names the
// alert, signed, since Pushover signs nothing.
func (n *notifier) callbackOf(alert int64) string {
	id := strconv.FormatInt(alert, 10)
	return n.callback + "?" + url.Values{"alert": {id}, "signature": {n.sign(id)}}.Encode()
}

// sign is an HMAC of the alert, keyed with the application's token, which only Pushover
// has besides us.
func (n *notifier) sign(alert string) string {
	mac := hmac.New(sha256.New, []byte(n.api.token.Reveal()))
	_, _ = io.WriteString(mac, "tocsin pushover callback "+n.name+" "+alert)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// callBack takes Pushover's word that a receipt was acknowledged. It is only a reason to
// ask: what Pushover itself says of the receipt counts
// (https://pushover.net/api/receipts#callback).
func (n *notifier) callBack(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Pushover posts here", http.StatusMethodNotAllowed)
		return
	}
	query := r.URL.Query()
	id := query.Get("alert")
	alert, err := strconv.ParseInt(id, 10, 64)
	if err != nil || alert <= 0 || !hmac.Equal([]byte(query.Get("signature")), []byte(n.sign(id))) {
		http.Error(w, "not signed by us", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formMax))
	if err != nil {
		http.Error(w, "the body cannot be read, or is too large", http.StatusRequestEntityTooLarge)
		return
	}
	form, err := url.ParseQuery(string(body))
	if receipt := form.Get("receipt"); err == nil && keyForm.MatchString(receipt) {
		n.acknowledged(w, r, alert, receipt)
		return
	}
	http.Error(w, "no receipt", http.StatusBadRequest)
}

// acknowledged asks of the receipt, and acknowledges the alert for whoever did so on
// their phone. Pushover is answered once that is settled; where it could not be asked,
// with an error, so that it calls again.
func (n *notifier) acknowledged(w http.ResponseWriter, r *http.Request, alert int64, receipt string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	said, err := n.api.ask(ctx, receipt)
	if err != nil {
		n.log.WarnContext(ctx, "receipt not checked", "alert", alert, "err", err)
		http.Error(w, "the receipt cannot be checked", http.StatusBadGateway)
		return
	}
	if said.Acknowledged != 1 || !keyForm.MatchString(said.AcknowledgedBy) {
		http.Error(w, "the receipt is not acknowledged", http.StatusConflict)
		return
	}
	answer := notify.Answer{ID: receipt, Alert: alert, Do: notify.DoAcknowledge, From: said.AcknowledgedBy}
	if _, err := n.act(ctx, answer); err != nil {
		n.log.WarnContext(ctx, "acknowledgement refused", "alert", alert, "err", err)
		if errors.Is(err, context.DeadlineExceeded) {
			http.Error(w, "it took too long", http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
