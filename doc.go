// Package tocsin names what flows through the program: an [Event] comes in, a
// rule that matches makes it a [Detection], detections of one thing fold into
// one [Alert], and people are told of the alert by a [Notification].
//
//	Event ─▶ Detection ─▶ Alert ─▶ Notification
//
// The package holds nouns and the alert's own life ([Alert.Fold],
// [Alert.Acknowledge], [Alert.Close]). It does no I/O, takes time as an
// argument and imports the standard library only.
//
// Times are UTC and kept to the millisecond, account ids are strings of 12
// digits, and severities are GuardDuty's 1.0 to 10.0 beside their [Level].
package tocsin
