//! What a bug of ours says of itself: where it is, and its text only where that stands in the program as it is. A text that was
//! made while it ran may hold a secret of the run, which nobody could redact any more.

use std::{any::Any, backtrace, io::Write, panic};

/// Has every panic of this process tell itself that way; with a backtrace where `RUST_BACKTRACE` asks for one.
pub(crate) fn discreetly() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let trace = backtrace::Backtrace::capture();
        let trace = match trace.status() {
            backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        // A closed standard error leaves nobody to tell.
        _ = writeln!(std::io::stderr().lock(), "a bug of greenproof at {place}: {}{trace}", text(info.payload()));
    }));
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its text is withheld, since it may hold a secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_made_while_it_ran_is_withheld() {
        let of = |bug: Box<dyn Fn() + panic::UnwindSafe>| {
            let payload = panic::catch_unwind(bug).expect_err("it panics");
            text(&*payload).to_owned()
        };
        assert_eq!(of(Box::new(|| panic!("a world always serialises"))), "a world always serialises");
        let token = "ghp_0123456789abcdef".to_owned();
        let made = of(Box::new(move || panic!("no such token: {token}")));
        assert_eq!(made, "its text is withheld, since it may hold a secret");
    }
}
