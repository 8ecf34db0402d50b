//! How many learners there are, what they answer, and how often something goes wrong.

/// What a simulation is made of. Equal options give an equal stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationOptions {
    /// Decides every draw.
    pub seed: u64,
    /// How many learners there are. Default 5,000.
    pub learners: u32,
    /// The exponent of Zipf's distribution over learners. Default 0.6: of 5,000, the busiest
    /// gives about 1 in 74 answers.
    pub learner_skew: f64,
    /// How many concepts there are. Default 40.
    pub concepts: u32,
    /// The exponent of Zipf's distribution over concepts. Default 0.8.
    pub concept_skew: f64,
    /// How many questions each concept has. Default 50.
    pub questions: u32,
    /// How many classes the learners are divided into. Default 24.
    pub classes: u32,
    /// The share of sessions in which the learner tires, 0 to 1. Default 0.3.
    pub tiring: f64,
    /// What goes wrong.
    pub faults: Faults,
}

/// How often something goes wrong, as shares of what is sent, each 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// An earlier answer once more, exactly. Default 0.03.
    pub retry: f64,
    /// No event of the schema. Default 0.001.
    pub malformed: f64,
    /// An answer that arrives minutes, hours or days after its time. Default 0.01.
    pub late: f64,
    /// An answer whose time is up to 30 s after now, by a clock that is fast. Default 0.005.
    pub early: f64,
    /// An answer without its class. Default 0.02.
    pub no_class: f64,
    /// Entries that hold many events in a `batch` field, as a share of entries. Default 0.02.
    pub batch: f64,
    /// The most events in such an entry, at least 2. Default 20.
    pub batch_events: u32,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            learners: 5_000,
            learner_skew: 0.6,
            concepts: 40,
            concept_skew: 0.8,
            questions: 50,
            classes: 24,
            tiring: 0.3,
            faults: Faults::default(),
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            retry: 0.03,
            malformed: 0.001,
            late: 0.01,
            early: 0.005,
            no_class: 0.02,
            batch: 0.02,
            batch_events: 20,
        }
    }
}

/// Options that make no simulation.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// There must be at least one of each.
    #[error("0 {0} (expected at least 1)")]
    None(&'static str),
    /// A share is outside 0 to 1, or no number.
    #[error("{name} is {given} (expected 0 to 1)")]
    Share {
        /// The option.
        name: &'static str,
        /// What it is.
        given: f64,
    },
    /// An exponent that the distribution does not have.
    #[error("{name} is {given} (expected 0 to 10)")]
    Skew {
        /// The option.
        name: &'static str,
        /// What it is.
        given: f64,
    },
    /// A batch of one is none.
    #[error("batch_events is {0} (expected 2 to 10000)")]
    BatchEvents(u32),
}

impl SimulationOptions {
    /// # Errors
    /// Names the first option that is out of bounds.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let counts = [
            ("learners", self.learners),
            ("concepts", self.concepts),
            ("questions", self.questions),
            ("classes", self.classes),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(OptionsError::None(name));
        }
        let faults = &self.faults;
        let shares = [
            ("tiring", self.tiring),
            ("retry", faults.retry),
            ("malformed", faults.malformed),
            ("late", faults.late),
            ("early", faults.early),
            ("no_class", faults.no_class),
            ("batch", faults.batch),
        ];
        if let Some((name, given)) = shares.into_iter().find(|(_, s)| !(0.0..=1.0).contains(s)) {
            return Err(OptionsError::Share { name, given });
        }
        let skews = [("learner_skew", self.learner_skew), ("concept_skew", self.concept_skew)];
        if let Some((name, given)) = skews.into_iter().find(|(_, s)| !(0.0..=10.0).contains(s)) {
            return Err(OptionsError::Skew { name, given });
        }
        match faults.batch_events {
            2..=10_000 => Ok(()),
            events => Err(OptionsError::BatchEvents(events)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_simulation_is_named() {
        let faulty = |change: fn(&mut SimulationOptions)| {
            let mut options = SimulationOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(faulty(|o| o.classes = 0), "0 classes (expected at least 1)");
        assert_eq!(faulty(|o| o.faults.retry = 1.5), "retry is 1.5 (expected 0 to 1)");
        assert_eq!(faulty(|o| o.tiring = f64::NAN), "tiring is NaN (expected 0 to 1)");
        assert_eq!(faulty(|o| o.learner_skew = -1.0), "learner_skew is -1 (expected 0 to 10)");
        assert_eq!(
            faulty(|o| o.faults.batch_events = 1),
            "batch_events is 1 (expected 2 to 10000)"
        );
        assert_eq!(SimulationOptions::default().check(), Ok(()));
    }
}
