// Package chaos breaks the real program while it works, and then counts: it is
// killed, its database goes away, its receivers hang, and what is posted to it is
// garbage. What it said it had received must be there, once, and whoever was to
// be told must have been told.
//
// The package is tests only. TOCSIN_CHAOS_SEED repeats a run, as far as the
// machine lets it; TOCSIN_CHAOS_KILLS says how often TestNothingIsLostOnKill
// kills (default 12).
//
// TOCSIN_NIGHT_EVENTS says how many events a night has (default 6,000).
//
// TOCSIN_ORGANISATION_FINDINGS says how many findings each place of the organisation
// has (default 1); with TOCSIN_ORGANISATION_OTHERS=1 moto and kinesalite are its queue
// and its stream.
package chaos
