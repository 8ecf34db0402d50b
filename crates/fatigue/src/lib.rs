//! The fatigue bolt: how tired a learner seems, from answers alone.
