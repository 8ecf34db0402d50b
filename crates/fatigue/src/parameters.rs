//! Every constant of the fatigue formulas, with its meaning, unit and source.

use tallyd_bolt::Parameter;

/// The constants of the formulas, in the words of `docs/fatigue.md`. What each means stands in
/// [`Parameters::TABLE`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "TABLE documents each of them, for readers of topologies too")]
pub struct Parameters {
    pub session_gap_ms: f64,
    pub warm_up: f64,
    pub accuracy_slack: f64,
    pub speed_slack: f64,
    pub evidence_cap: f64,
    pub deviation_cap: f64,
    pub ability_step: f64,
    pub ability_slowing: f64,
    pub ability_floor: f64,
    pub pace_prior: f64,
    pub pace_floor: f64,
    pub spread: f64,
    pub spread_floor: f64,
    pub spread_prior: f64,
    pub carried_answers: f64,
    pub freeze: f64,
    pub difficulty_step: f64,
    pub difficulty_slowing: f64,
    pub item_prior: f64,
    pub response_cap_ms: f64,
    pub rapid_share: f64,
    pub rapid_rate: f64,
    pub rapid_weight: f64,
    pub load_half_life_ms: f64,
    pub pause_cap_ms: f64,
    pub load_weight: f64,
    pub even: f64,
    pub steepness: f64,
    pub tired_at: f64,
    pub recovered_at: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            session_gap_ms: 1_800_000.0,
            warm_up: 15.0,
            accuracy_slack: 0.18,
            speed_slack: 0.4,
            evidence_cap: 26.0,
            deviation_cap: 1.5,
            ability_step: 0.45,
            ability_slowing: 0.02,
            ability_floor: 0.02,
            pace_prior: 5.0,
            pace_floor: 0.04,
            spread: 0.45,
            spread_floor: 0.03,
            spread_prior: 20.0,
            carried_answers: 28.0,
            freeze: 2.7,
            difficulty_step: 0.25,
            difficulty_slowing: 0.02,
            item_prior: 13.0,
            response_cap_ms: 3_600_000.0,
            rapid_share: 0.1,
            rapid_rate: 0.1,
            rapid_weight: 60.0,
            load_half_life_ms: 1_500_000.0,
            pause_cap_ms: 120_000.0,
            load_weight: 0.01,
            even: 27.5,
            steepness: 0.4,
            tired_at: 0.5,
            recovered_at: 0.25,
        }
    }
}

const fn row(
    name: &'static str,
    min: f64,
    max: f64,
    place: fn(&mut Parameters) -> &mut f64,
    doc: &'static str,
) -> Parameter<Parameters> {
    Parameter { name, doc, min, max, place }
}

impl Parameters {
    /// The parameters as a topology names them. "Chosen here" means: on the even learners of the
    /// log and the injected drift that `docs/fatigue.md` describes, where it says how flat the choice is.
    pub const TABLE: &'static [Parameter<Parameters>] = &[
        row(
            "session_gap_ms",
            1000.0,
            86_400_000.0,
            |p| &mut p.session_gap_ms,
            "A new session begins after so many ms without an answer: both CUSUMs and the share of \
             rapid guesses start at 0, and an alert ends. Source: 30 min is the usual gap in logs \
             of learning and browsing; breaks of 20 to 30 min restore test scores (Sievertsen, Gino \
             and Piovesan 2016).",
        ),
        row(
            "warm_up",
            0.0,
            1000.0,
            |p| &mut p.warm_up,
            "So many answers of a session only teach what is usual for the learner; the CUSUMs \
             wait. Chosen here; the first answers of a session are slower and worse than the rest.",
        ),
        row(
            "accuracy_slack",
            0.0,
            5.0,
            |p| &mut p.accuracy_slack,
            "The slack k of the accuracy CUSUM, in standard deviations: half the shift that is \
             looked for (Page 1954). A fall of 0.3 at a chance of 0.6 is 0.6.",
        ),
        row(
            "speed_slack",
            0.0,
            5.0,
            |p| &mut p.speed_slack,
            "The slack k of the speed CUSUM, in standard deviations: half the shift that is looked \
             for (Page 1954). A rise of response time by half is 0.9 at a spread of 0.45.",
        ),
        row(
            "evidence_cap",
            1.0,
            1000.0,
            |p| &mut p.evidence_cap,
            "The most that either CUSUM can hold, so that recovery takes no longer than fatigue, \
             and neither can alert alone. Chosen here.",
        ),
        row(
            "deviation_cap",
            0.5,
            10.0,
            |p| &mut p.deviation_cap,
            "The most that one response time counts, in standard deviations (Huber 1964): one \
             forgotten tab is no fatigue. Chosen here.",
        ),
        row(
            "ability_step",
            0.0,
            4.0,
            |p| &mut p.ability_step,
            "alpha of the learner's ability: it changes by alpha/(1 + beta n) times the surprise, n \
             being the answers known (Pelanek 2016). In logits. Chosen here.",
        ),
        row(
            "ability_slowing",
            0.0,
            10.0,
            |p| &mut p.ability_slowing,
            "beta of the learner's ability. Elo B of the mastery bolt has 0.02.",
        ),
        row(
            "ability_floor",
            0.0,
            4.0,
            |p| &mut p.ability_floor,
            "The smallest step of the ability, in logits, so that it follows a learner over months. \
             Chosen here.",
        ),
        row(
            "pace_prior",
            0.0,
            1000.0,
            |p| &mut p.pace_prior,
            "How many answers at the items' own pace a new learner is taken to have given already. \
             Chosen here.",
        ),
        row(
            "pace_floor",
            0.0,
            1.0,
            |p| &mut p.pace_floor,
            "The smallest gain of the learner's pace, an exponential average. Chosen here.",
        ),
        row(
            "spread",
            0.01,
            10.0,
            |p| &mut p.spread,
            "The standard deviation of the log response times of a new learner around their own \
             pace. Lognormal times: van der Linden 2006; the median learner of the log has 0.47.",
        ),
        row(
            "spread_prior",
            0.0,
            10_000.0,
            |p| &mut p.spread_prior,
            "For how many answers that counts. Chosen here.",
        ),
        row(
            "spread_floor",
            0.0,
            1.0,
            |p| &mut p.spread_floor,
            "The smallest gain of the variance, an exponential average. Chosen here.",
        ),
        row(
            "carried_answers",
            0.0,
            1000.0,
            |p| &mut p.carried_answers,
            "In a new session the learner's baseline counts as resting on at most so many answers, \
             so that it adapts to the day. A guess; the log has few learners with two long \
             sessions.",
        ),
        row(
            "freeze",
            0.1,
            1e9,
            |p| &mut p.freeze,
            "At a sum of both CUSUMs of this, the learner's baseline learns at half its speed (at c \
             times this, at 1/(1 + c squared)), and the item learns nothing: a baseline that \
             follows the drift hides it. Chosen here.",
        ),
        row(
            "difficulty_step",
            0.0,
            4.0,
            |p| &mut p.difficulty_step,
            "alpha of an item's difficulty, in logits (Pelanek 2016). Chosen here.",
        ),
        row(
            "difficulty_slowing",
            0.0,
            10.0,
            |p| &mut p.difficulty_slowing,
            "beta of an item's difficulty. Elo B of the mastery bolt has 0.02.",
        ),
        row(
            "item_prior",
            0.0,
            1000.0,
            |p| &mut p.item_prior,
            "For how many answers the mean log time of all items counts in that of one item. Chosen \
             here.",
        ),
        row(
            "response_cap_ms",
            1000.0,
            86_400_000.0,
            |p| &mut p.response_cap_ms,
            "A longer response time counts as this one, in ms. A guess: nobody works on one \
             question for more than an hour.",
        ),
        row(
            "rapid_share",
            0.0,
            1.0,
            |p| &mut p.rapid_share,
            "An answer in less than this share of the item's usual time is a rapid guess; it \
             changes only the share of rapid guesses. Source: NT10 (Wise and Ma 2012).",
        ),
        row(
            "rapid_rate",
            0.0,
            1.0,
            |p| &mut p.rapid_rate,
            "The gain of the share of rapid guesses, an exponential average: 1 less the response- \
             time effort of Wise and Kong 2005. A guess: the log has hardly any.",
        ),
        row(
            "rapid_weight",
            0.0,
            100.0,
            |p| &mut p.rapid_weight,
            "What a share of rapid guesses of 1 adds to the evidence. Such that guessing at half of \
             the answers alerts by itself; tried on injected guesses.",
        ),
        row(
            "load_half_life_ms",
            1000.0,
            86_400_000.0,
            |p| &mut p.load_half_life_ms,
            "In so many ms the load fades by half. Source: a break of 20 to 30 min restores \
             (Sievertsen, Gino and Piovesan 2016).",
        ),
        row(
            "pause_cap_ms",
            0.0,
            3_600_000.0,
            |p| &mut p.pause_cap_ms,
            "Of the time since the learner's last answer, at most so many ms count as work. A \
             guess.",
        ),
        row(
            "load_weight",
            0.0,
            10.0,
            |p| &mut p.load_weight,
            "What a minute of load adds to the evidence. Small on purpose: work itself is no sign, \
             it only makes fatigue likelier (Randles 2017: fatigue within an hour; Hodas 2018). 0 \
             gives the same figures here.",
        ),
        row(
            "even",
            0.0,
            1000.0,
            |p| &mut p.even,
            "The evidence at which the score is 0.5. Chosen here, for about 3 % of false alarms.",
        ),
        row(
            "steepness",
            0.01,
            10.0,
            |p| &mut p.steepness,
            "The slope of the score's logit by the evidence. Chosen for a readable score; it does \
             not matter to the alerts at 0.5.",
        ),
        row(
            "tired_at",
            0.0,
            1.0,
            |p| &mut p.tired_at,
            "The score at which a learner counts as tired.",
        ),
        row(
            "recovered_at",
            0.0,
            1.0,
            |p| &mut p.recovered_at,
            "The score below which a tired learner counts as recovered; at most tired_at. 2.7 of \
             evidence lower, so that it does not flutter.",
        ),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_documentation_lists_every_parameter_with_its_default_and_bounds() {
        let page = include_str!("../../../docs/fatigue.md");
        for row in Parameters::TABLE {
            let default = *(row.place)(&mut Parameters::default());
            let Parameter { name, doc, min, max, .. } = row;
            let line = format!("| `{name}` | {default} | {min} to {max} | {doc} |");
            assert!(page.contains(&line), "docs/fatigue.md lacks\n{line}");
        }
    }

    #[test]
    fn every_parameter_stands_in_the_table_once_with_bounds_around_its_default() {
        let mut parameters = Parameters::default();
        let names: BTreeSet<&str> = Parameters::TABLE.iter().map(|row| row.name).collect();
        for row in Parameters::TABLE {
            let value = *(row.place)(&mut parameters);
            assert!((row.min..=row.max).contains(&value), "{} {value}", row.name);
            *(row.place)(&mut parameters) = -1.0;
        }
        let count = size_of::<Parameters>() / size_of::<f64>();
        assert_eq!((Parameters::TABLE.len(), names.len()), (count, count));
        for row in Parameters::TABLE {
            assert_eq!(*(row.place)(&mut parameters), -1.0, "{} is another's place", row.name);
            assert_eq!(row.doc.trim(), row.doc, "{}", row.name);
        }
    }
}
