//! The nine steps by number and by name, as people type and read them.

/// The steps' names, step 1 first.
pub const STEP_NAMES: [&str; 9] = [
    "shift-to-loaded",
    "disable-deployment",
    "upgrade-updating",
    "test-updating",
    "switch-traffic",
    "upgrade-loaded",
    "ensure-deployment-service",
    "await-deployment",
    "restore-traffic",
];

/// A step's name; `?` for a number that is no step.
#[must_use]
pub fn name(step: u8) -> &'static str {
    step.checked_sub(1).and_then(|at| STEP_NAMES.get(usize::from(at))).copied().unwrap_or("?")
}

/// Number and name: `3 (upgrade-updating)`.
#[must_use]
pub fn title(step: u8) -> String {
    format!("{step} ({})", name(step))
}

/// Reads a step, given by number or by name.
///
/// # Errors
/// Lists the steps when it is neither.
pub fn parse(text: &str) -> Result<u8, String> {
    let text = text.trim();
    let numbered = (1_u8..).zip(STEP_NAMES);
    numbered
        .clone()
        .find(|(number, name)| text.eq_ignore_ascii_case(name) || text == number.to_string())
        .map(|(number, _)| number)
        .ok_or_else(|| {
            let steps: Vec<_> = numbered.map(|(number, name)| format!("{number} {name}")).collect();
            format!("`{text}` is no step; the steps are {}", steps.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a step's number and name mean the same. Method: read every one back, and what is none.
    #[test]
    fn a_step_is_read_by_number_and_by_name() {
        for step in 1..=9 {
            assert_eq!(parse(&step.to_string()), Ok(step));
            assert_eq!(parse(name(step)), Ok(step));
        }
        for wrong in ["0", "10", "", "03", "upgrade"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
