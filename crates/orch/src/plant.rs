//! Plants the bug that `ORCH_PLANT` names in each of the runtime's threads; compiled for `cargo xtask chaos --plants` only.

use orch_dispatch::mutant::{Mutant, plant};

/// Plants it, or ends the process when nobody knows it: an attack on a server without a bug would prove nothing.
pub fn in_this_thread() {
    let Ok(name) = std::env::var("ORCH_PLANT") else { return };
    let wanted = name.replace('_', "");
    let known = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}").eq_ignore_ascii_case(&wanted));
    if known.is_none() {
        eprintln!("error: ORCH_PLANT names no planted bug: {name}");
        std::process::exit(1);
    }
    plant(known);
}
