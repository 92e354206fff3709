//! Whether a person may be needed: a fault struck that asks for one, or somebody else meddled again.
use super::{Faults, Incident};

impl Faults {
    /// How often somebody else changed what members are set to.
    #[must_use]
    pub fn meddled(&self) -> usize {
        self.incidents.iter().filter(|it| it.fault.meddles() && it.met_ms.is_some()).count()
    }

    /// A fault struck after which a person may be needed, or somebody else meddled again.
    #[must_use]
    pub fn may_need_a_person(&self) -> bool {
        self.meddled() > 1 || self.last(|fault| fault.kind().needs_person).is_some()
    }

    /// A fault after which a person may be needed was felt at an instant or after it.
    #[must_use]
    pub fn may_need_a_person_since(&self, since_ms: u64) -> bool {
        self.felt_since(since_ms).any(|it| it.fault.kind().needs_person)
    }

    /// Somebody else meddled again, at an instant or after it: the first time may be older.
    #[must_use]
    pub fn meddled_again_since(&self, since_ms: u64) -> bool {
        let met = |it: &Incident| it.fault.meddles() && it.met_ms.is_some();
        self.meddled() > 1 && self.felt_since(since_ms).any(met)
    }

    fn felt_since(&self, since_ms: u64) -> impl Iterator<Item = &Incident> {
        let felt = move |it: &&Incident| self.over_ms(it).is_none_or(|over| over >= since_ms);
        self.incidents.iter().filter(felt)
    }
}
