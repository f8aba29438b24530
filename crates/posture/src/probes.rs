//! Every probe, one line each: the number of the control and the function that tries it.
//!
//! To add one: write the function in the file of its subject, add its line here, and in the same commit the test that
//! takes the protection away and sees it fail.

mod accounts;
mod administrators;
mod alerts;
mod audit;
mod baits;
mod bans;
mod certificates;
mod connection;
mod cross_origin;
mod cross_site;
mod encryption;
mod errors;
mod exposure;
mod factors;
mod graphql;
mod guests;
mod handshake;
mod headers;
mod isolation;
mod issuance;
mod keys;
mod logs;
mod machine;
mod metrics;
mod passwords;
mod rates;
mod roles;
mod rows;
mod saml;
mod secrets;
mod shipping;
mod statements;
mod store;
mod tables;
mod unclean;
mod validation;

pub use encryption::Exchanged;
use futures_util::future::BoxFuture;

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// What a probe is.
pub type Run = for<'a> fn(&'a Bench) -> BoxFuture<'a, Result<Finding, Trouble>>;

/// A probe and the control it proves.
#[derive(Clone, Copy)]
pub struct Probe {
    /// The control's number.
    pub control: u16,
    /// What it is called, for the reference: `rows::owners_obey_their_policies`.
    pub name: &'static str,
    /// Tries it.
    pub run: Run,
}

macro_rules! probes {
    ($($control:literal => $run:path;)+) => {
        /// Every probe, in the order of the numbers.
        pub const ALL: &[Probe] = &[$(Probe {
            control: $control,
            name: stringify!($run),
            run: |bench| Box::pin($run(bench)),
        },)+];
    };
}

probes! {
    1 => issuance::certificates_are_got;
    2 => encryption::plain_http_is_not_served;
    3 => encryption::the_certificate_can_be_verified;
    4 => issuance::renewals_are_rehearsed;
    5 => encryption::certificates_are_renewed;
    6 => issuance::obstacles_are_told_first;
    7 => encryption::own_certificates_are_shown;
    8 => encryption::keys_are_their_owners;
    9 => encryption::http_2_is_spoken;
    10 => handshake::nothing_old_is_spoken;
    11 => handshake::only_modern_suites_are_agreed_on;
    12 => handshake::the_servers_order_counts;
    13 => encryption::browsers_stay_with_https;
    14 => handshake::no_ticket_is_given;
    15 => encryption::what_the_issuer_says_is_stapled;
    16 => handshake::no_finite_field_is_used;
    17 => encryption::changes_are_checked_first;
    18 => passwords::length_is_enforced;
    19 => passwords::classes_are_enforced;
    20 => passwords::old_passwords_must_be_changed;
    21 => passwords::forms_are_told_the_rules;
    22 => factors::a_second_factor_can_be_had;
    23 => factors::only_listed_methods_are_offered;
    24 => factors::everybody_needs_a_second_factor;
    25 => factors::administrators_need_a_second_factor;
    26 => factors::sensitive_operations_ask_again;
    27 => accounts::access_token_is_short_lived;
    28 => accounts::idle_session_ends;
    29 => accounts::reused_refresh_token_ends_the_family;
    30 => accounts::signed_out_token_is_dead;
    31 => passwords::guessing_is_paused;
    32 => saml::people_sign_in_through_their_company;
    33 => saml::keys_are_pinned_and_other_keys_are_told;
    34 => saml::name_address_and_certificate_are_honoured;
    35 => saml::only_what_was_asked_for_is_taken_and_once;
    36 => saml::an_assertion_is_for_us_and_of_now;
    37 => saml::browsers_go_where_is_listed;
    38 => saml::metadata_needs_tls;
    39 => saml::what_a_provider_says_is_made_harmless;
    40 => rows::new_tables_are_protected;
    41 => rows::owners_obey_their_policies;
    42 => isolation::proposed_policies_keep_people_apart;
    43 => graphql::depth_is_limited;
    44 => graphql::cost_is_limited;
    45 => graphql::the_schema_is_not_told;
    46 => rows::requests_run_as_the_caller;
    47 => rows::roles_map_as_the_guide_says;
    48 => isolation::embedding_obeys_policies;
    49 => isolation::claims_come_from_the_server;
    50 => roles::login_roles_can_do_nothing;
    51 => roles::nobody_creates_in_public;
    52 => guests::readers_read_and_end;
    53 => connection::database_traffic_is_protected;
    54 => certificates::listeners_show_a_certificate;
    55 => connection::pool_is_capped;
    56 => statements::what_is_sent_past_us_is_recorded;
    57 => validation::values_never_become_sql;
    59 => connection::pages_have_checksums;
    62 => store::the_store_names_nobody;
    63 => encryption::websockets_need_tls_and_an_origin;
    64 => store::the_store_is_reached_over_tls;
    65 => encryption::passwords_in_clear_are_refused;
    66 => exposure::only_what_is_served_listens;
    67 => exposure::open_ports_are_known;
    68 => exposure::the_database_cannot_be_reached;
    69 => exposure::exposure_is_shown_with_evidence;
    71 => rates::requests_are_limited;
    72 => rates::sensitive_endpoints_are_limited;
    73 => cross_origin::strange_origins_get_nothing;
    74 => cross_origin::listed_origins_get_what_is_listed;
    75 => cross_site::another_sites_page_changes_nothing;
    76 => headers::frames;
    77 => headers::sniffing;
    78 => headers::xss_protection;
    79 => headers::referrer;
    80 => headers::content_security_policy;
    81 => headers::permissions;
    82 => headers::no_banner;
    92 => audit::the_chain_holds_and_nobody_writes_it;
    93 => audit::no_level_drops_security_events;
    94 => audit::the_file_gets_every_entry;
    95 => audit::sign_ins_are_recorded;
    97 => audit::administration_is_recorded;
    98 => audit::the_guides_events_are_recorded;
    99 => shipping::logs_leave_and_wait_for_their_receiver;
    100 => logs::requests_and_failures_stand_in_their_files;
    101 => secrets::no_sink_holds_a_password;
    102 => logs::the_level_is_obeyed_changed_and_recorded;
    103 => bans::whoever_fails_to_sign_in_is_kept_out;
    104 => bans::whoever_probes_is_kept_out;
    105 => bans::scanners_are_kept_out;
    106 => bans::bans_are_listed_added_and_lifted;
    107 => alerts::failed_logins_are_told;
    108 => alerts::unusual_activity_is_slowed_down;
    109 => alerts::administrators_actions_are_told;
    110 => metrics::the_six_are_served_and_move;
    115 => secrets::undefined_references_stop_the_start;
    116 => secrets::weak_signing_secrets_are_refused;
    117 => secrets::secrets_come_from_files;
    121 => validation::fields_are_validated_and_named;
    122 => validation::html_is_stored_clean;
    124 => validation::types_follow_the_schema;
    125 => validation::a_write_that_comes_again_is_done_once;
    126 => passwords::refusals_do_not_say_who_is_here;
    127 => errors::failures_say_nothing;
    144 => alerts::contacts_are_in_force;
    149 => alerts::holes_can_be_reported;
    150 => keys::programs_have_no_more_than_they_need;
}

/// The probe of a control, if it is built.
pub fn find(control: u16) -> Option<&'static Probe> {
    ALL.iter().find(|probe| probe.control == control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_proves_a_control_once() {
        assert!(ALL.is_sorted_by(|a, b| a.control < b.control));
        assert!(ALL.iter().all(|probe| crate::controls::find(probe.control).is_some()));
    }
}
