//! The recursion: one answer, and what it says about the learner. `docs/fatigue.md` derives it.
//!
//! Knows nothing of events, keys or stored bytes.

use crate::{Parameters, learner::Learner};

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// When, in ms since the epoch.
    pub(crate) at: i64,
    /// Whether it was right.
    pub(crate) correct: bool,
    /// The natural logarithm of the response time in ms.
    pub(crate) log_ms: f64,
}

/// What is usual for the item, at such a meeting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// b, the Elo difficulty, in logits.
    pub(crate) difficulty: f64,
    /// μ, the mean log response time; `None` before anyone's first answer.
    pub(crate) log_ms: Option<f64>,
}

/// What an answer said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Right (1) or wrong (0), less the probability of right.
    pub(crate) surprise: f64,
    /// Whether it says anything about the item: a rapid guess does not, nor does the answer of
    /// one who seems tired.
    pub(crate) typical: bool,
}

/// Begins a new session if the learner made a break. True if so.
pub(crate) fn begin(parameters: &Parameters, learner: &mut Learner, at: i64) -> bool {
    let pause = at.saturating_sub(learner.at);
    if learner.answers == 0 || (pause as f64) < parameters.session_gap_ms {
        return false;
    }
    learner.in_session = 0;
    learner.known = learner.known.min(parameters.carried_answers as u32);
    learner.accuracy = 0.0;
    learner.speed = 0.0;
    learner.rapid = 0.0;
    true
}

/// Takes an answer into account.
pub(crate) fn answer(
    parameters: &Parameters,
    learner: &mut Learner,
    expected: Expected,
    answer: Answer,
) -> Verdict {
    work(parameters, learner, answer.at);
    let usual = expected.log_ms.unwrap_or(answer.log_ms);
    let rapid = answer.log_ms < usual + parameters.rapid_share.ln();
    let rate = parameters.rapid_rate;
    learner.rapid += (rate * (f64::from(u8::from(rapid)) - f64::from(learner.rapid))) as f32;

    let mut surprise = 0.0;
    if !rapid {
        let p = logistic(f64::from(learner.ability) - expected.difficulty);
        surprise = f64::from(u8::from(answer.correct)) - p;
        let slowness = answer.log_ms - usual - f64::from(learner.pace);
        weigh(parameters, learner, surprise / (p * (1.0 - p)).sqrt().max(0.2), slowness);
        learn(parameters, learner, surprise, slowness);
    }
    learner.answers = learner.answers.saturating_add(1);
    learner.in_session = learner.in_session.saturating_add(1);
    learner.score = score(parameters, learner) as f32;
    Verdict {
        surprise,
        typical: !rapid && f64::from(learner.accuracy + learner.speed) < parameters.freeze,
    }
}

/// Load: minutes of work that fade with rest.
fn work(parameters: &Parameters, learner: &mut Learner, at: i64) {
    if learner.answers > 0 {
        let pause = at.saturating_sub(learner.at).max(0) as f64;
        let faded = f64::from(learner.load) * (-pause / parameters.load_half_life_ms).exp2();
        let worked = if learner.in_session > 0 { pause.min(parameters.pause_cap_ms) } else { 0.0 };
        learner.load = (faded + worked / 60_000.0) as f32;
    }
    learner.at = learner.at.max(at);
}

/// Both CUSUMs (Page 1954).
fn weigh(parameters: &Parameters, learner: &mut Learner, surprise: f64, slowness: f64) {
    if f64::from(learner.in_session) < parameters.warm_up {
        return;
    }
    let cap = parameters.deviation_cap;
    let late = (slowness / f64::from(learner.variance).sqrt()).clamp(-cap, cap);
    let sum = |before: f32, more: f64, slack: f64| {
        (f64::from(before) + more - slack).clamp(0.0, parameters.evidence_cap) as f32
    };
    learner.accuracy = sum(learner.accuracy, -surprise, parameters.accuracy_slack);
    learner.speed = sum(learner.speed, late, parameters.speed_slack);
}

/// The learner's own baseline, which learns the less the more speaks for fatigue.
fn learn(parameters: &Parameters, learner: &mut Learner, surprise: f64, slowness: f64) {
    let evidence = f64::from(learner.accuracy + learner.speed) / parameters.freeze;
    let trust = 1.0 / (1.0 + evidence * evidence);
    let known = f64::from(learner.known);
    let step = parameters.ability_step / (1.0 + parameters.ability_slowing * known);
    learner.ability += (step.max(parameters.ability_floor) * trust * surprise) as f32;
    let spread = f64::from(learner.variance);
    let limit = parameters.deviation_cap * spread.sqrt();
    let bounded = slowness.clamp(-limit, limit);
    let gain = (1.0 / (1.0 + known + parameters.pace_prior)).max(parameters.pace_floor);
    learner.pace += (gain * trust * bounded) as f32;
    let gain = (1.0 / (1.0 + known + parameters.spread_prior)).max(parameters.spread_floor);
    learner.variance = (spread + gain * trust * (slowness * slowness - spread)).max(0.01) as f32;
    learner.known = learner.known.saturating_add(1);
}

fn score(parameters: &Parameters, learner: &Learner) -> f64 {
    let evidence = f64::from(learner.accuracy)
        + f64::from(learner.speed)
        + parameters.rapid_weight * f64::from(learner.rapid)
        + parameters.load_weight * f64::from(learner.load);
    logistic(parameters.steepness * (evidence - parameters.even))
}

/// 1/(1+e⁻ˣ).
pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Expected = Expected { difficulty: 0.0, log_ms: Some(8.0) };
    const MINUTE: i64 = 60_000;

    /// A learner after `n` answers, one a minute from minute 1 on: every second one right.
    fn practised(n: i64) -> Learner {
        let parameters = Parameters::default();
        let mut learner = Learner::new(&parameters);
        for i in 1..=n {
            begin(&parameters, &mut learner, i * MINUTE);
            answer(&parameters, &mut learner, USUAL, even(i));
        }
        learner
    }

    fn even(i: i64) -> Answer {
        Answer { at: i * MINUTE, correct: i % 2 == 0, log_ms: if i % 3 == 0 { 7.6 } else { 8.1 } }
    }

    #[test]
    fn only_a_long_pause_begins_a_session() {
        let parameters = Parameters::default();
        for (pause, expected) in [(0, false), (-90, false), (29, false), (30, true), (600, true)] {
            let mut learner = practised(40);
            let before = learner;
            assert_eq!(begin(&parameters, &mut learner, (40 + pause) * MINUTE), expected);
            let (in_session, known) = if expected { (0, 28) } else { (40, 40) };
            assert_eq!((learner.in_session, learner.known), (in_session, known), "{pause}");
            assert_eq!(learner == before, !expected);
        }
        assert!(!begin(&parameters, &mut Learner::new(&parameters), i64::MAX));
    }

    #[test]
    fn slow_and_wrong_answers_tire_and_neither_alone_does() {
        let parameters = Parameters::default();
        // Log time above the usual, every how manieth is right, bounds of the score at the end.
        let cases =
            [(0.0, 2, 0.0, 0.01), (0.4, 1, 0.2, 0.5), (0.0, 1000, 0.2, 0.5), (0.6, 1000, 0.9, 1.0)];
        for (slower, right, low, high) in cases {
            let mut learner = practised(60);
            for i in 61..=110 {
                let usual = even(i);
                let log_ms = usual.log_ms + slower;
                let given = Answer { correct: i % right == 0, log_ms, ..usual };
                answer(&parameters, &mut learner, USUAL, given);
            }
            let score = f64::from(learner.score);
            assert!((low..=high).contains(&score), "{slower} {right}: {score}");
        }
    }

    #[test]
    fn warm_up_gathers_no_evidence() {
        let parameters = Parameters::default();
        let mut learner = Learner::new(&parameters);
        for i in 1..=16 {
            let late = Answer { at: i * MINUTE, correct: false, log_ms: 10.0 };
            answer(&parameters, &mut learner, USUAL, late);
            assert_eq!(learner.speed > 0.0, i == 16, "{i}");
        }
    }

    #[test]
    fn a_rapid_guess_changes_only_its_share() {
        let parameters = Parameters::default();
        let mut learner = practised(40);
        let before = learner;
        let quick = Answer { at: 40 * MINUTE, correct: false, log_ms: 8.0 - 2.4 };
        let verdict = answer(&parameters, &mut learner, USUAL, quick);
        assert_eq!(verdict, Verdict { surprise: 0.0, typical: false });
        assert!((learner.rapid - 0.1).abs() < 1e-6);
        let same = Learner {
            answers: before.answers,
            in_session: before.in_session,
            rapid: before.rapid,
            score: before.score,
            ..learner
        };
        assert_eq!(same, before);
        let not_so_quick = Answer { log_ms: 8.0 - 2.2, ..quick };
        assert!(answer(&parameters, &mut learner, USUAL, not_so_quick).typical);
    }

    #[test]
    fn load_is_minutes_of_work_that_halve_in_rest() {
        let parameters = Parameters::default();
        let mut learner = practised(2);
        assert!((learner.load - 1.0).abs() < 1e-6, "{}", learner.load);
        let rest = 2 * MINUTE + 1_500_000;
        answer(&parameters, &mut learner, USUAL, Answer { at: rest, ..even(3) });
        assert!((learner.load - 2.5).abs() < 1e-6, "half of 1 and the cap of 2: {}", learner.load);
        let early = Answer { at: 0, ..even(4) };
        answer(&parameters, &mut learner, USUAL, early);
        assert!((learner.load - 2.5).abs() < 1e-6, "an answer out of order adds nothing");
        assert_eq!(learner.at, rest);
    }

    proptest! {
        #[test]
        fn whatever_is_answered_every_number_stays_in_its_range(
            answers in prop::collection::vec(
                (any::<i64>(), any::<bool>(), 0.0..20.0f64, -50.0..50.0f64, 0.0..20.0f64),
                1..150,
            ),
        ) {
            let parameters = Parameters::default();
            let mut learner = Learner::new(&parameters);
            for (at, correct, log_ms, difficulty, usual) in answers {
                begin(&parameters, &mut learner, at);
                let expected = Expected { difficulty, log_ms: Some(usual) };
                let verdict =
                    answer(&parameters, &mut learner, expected, Answer { at, correct, log_ms });
                prop_assert!(verdict.surprise.abs() <= 1.0);
                prop_assert!((0.0..=1.0).contains(&learner.score));
                prop_assert!((0.0..=1.0).contains(&learner.rapid));
                prop_assert!((0.0..=26.0).contains(&learner.accuracy));
                prop_assert!((0.0..=26.0).contains(&learner.speed));
                prop_assert!(learner.load >= 0.0 && learner.load < 100.0);
                prop_assert!(learner.variance >= 0.01 && learner.variance.is_finite());
                prop_assert!(learner.ability.is_finite() && learner.pace.abs() <= 40.0);
            }
        }
    }
}
