//! The words of the embedded reviews.
//!
//! In a frame, `{a+}` is a word that judges aspect `a` as the review judges, `{a-}` one that judges it the other way;
//! `t` and `u` judge the whole. So every frame says the same of both classes, turned round.

/// An aspect, words of praise for it, and words of blame.
pub(super) type Aspect = (&'static str, [&'static str; 4], [&'static str; 4]);

/// What can be reviewed.
pub(super) struct Domain {
    pub things: &'static [&'static str],
    /// Words for the whole thing.
    pub praise: &'static [&'static str],
    pub blame: &'static [&'static str],
    pub aspects: &'static [Aspect],
    /// From when to when one judges.
    pub span: &'static str,
    /// What one has done with it.
    pub had: &'static str,
    /// Sentences that judge nothing.
    pub remarks: &'static [&'static str],
}

pub(super) const DOMAINS: [Domain; 3] = [
    Domain {
        things: &["film", "movie", "comedy", "thriller", "sequel"],
        praise: &["good", "brilliant", "moving", "clever", "delightful", "gripping"],
        blame: &["bad", "dull", "tedious", "silly", "forgettable", "clumsy"],
        aspects: &[
            ("plot", ["gripping", "clever", "surprising", "good"], ["weak", "predictable", "confused", "bad"]),
            ("acting", ["superb", "natural", "lively", "good"], ["wooden", "stiff", "lifeless", "bad"]),
            ("music", ["beautiful", "stirring", "subtle", "good"], ["loud", "annoying", "sentimental", "bad"]),
            ("dialogue", ["witty", "sharp", "funny", "good"], ["flat", "stilted", "embarrassing", "bad"]),
            ("ending", ["perfect", "touching", "satisfying", "good"], ["rushed", "absurd", "disappointing", "bad"]),
            ("camera work", ["stunning", "elegant", "inventive", "good"], ["shaky", "ugly", "lazy", "bad"]),
        ],
        span: "from the first scene to the last",
        had: "seen",
        remarks: &[
            "We saw the {thing} on a Tuesday.",
            "My brother chose this {thing}.",
            "I watched it on a long flight.",
            "The cinema was half full.",
            "It runs for about two hours.",
            "I had read the book before.",
            "It is the second {thing} by the same director.",
        ],
    },
    Domain {
        things: &["meal", "lunch", "dinner", "restaurant", "place"],
        praise: &["good", "wonderful", "charming", "excellent", "lovely", "memorable"],
        blame: &["bad", "dreadful", "gloomy", "miserable", "overpriced", "awful"],
        aspects: &[
            ("soup", ["hot", "rich", "delicious", "good"], ["cold", "watery", "tasteless", "bad"]),
            ("service", ["friendly", "quick", "attentive", "good"], ["rude", "slow", "careless", "bad"]),
            ("fish", ["fresh", "tender", "delicious", "good"], ["dry", "burnt", "tasteless", "bad"]),
            ("bread", ["fresh", "crisp", "warm", "good"], ["stale", "soggy", "hard", "bad"]),
            ("dessert", ["heavenly", "light", "generous", "good"], ["sickly", "heavy", "stingy", "bad"]),
            ("dining room", ["cosy", "quiet", "clean", "good"], ["noisy", "cramped", "dirty", "bad"]),
        ],
        span: "from the first course to the last",
        had: "tried",
        remarks: &[
            "We came here after the theatre.",
            "There were four of us.",
            "My sister had booked a table.",
            "It is near the station.",
            "We sat by the window.",
            "The menu changes every week.",
            "I had walked past it many times.",
        ],
    },
    Domain {
        things: &["phone", "camera", "torch", "razor", "radio"],
        praise: &["good", "reliable", "handy", "excellent", "sturdy", "clever"],
        blame: &["bad", "flimsy", "clumsy", "shoddy", "worthless", "awkward"],
        aspects: &[
            ("battery", ["durable", "strong", "reliable", "good"], ["weak", "unreliable", "feeble", "bad"]),
            ("manual", ["clear", "helpful", "thorough", "good"], ["confusing", "incomplete", "baffling", "bad"]),
            ("switch", ["smooth", "solid", "precise", "good"], ["loose", "sticky", "fragile", "bad"]),
            ("design", ["elegant", "practical", "neat", "good"], ["ugly", "clumsy", "impractical", "bad"]),
            ("finish", ["flawless", "smooth", "sturdy", "good"], ["scratched", "rough", "cheap", "bad"]),
            ("price", ["fair", "low", "reasonable", "good"], ["absurd", "high", "unreasonable", "bad"]),
        ],
        span: "from the first day on",
        had: "owned",
        remarks: &[
            "I bought the {thing} in March.",
            "It was a present from my aunt.",
            "The {thing} came in a plain box.",
            "I have used it every day since.",
            "My old {thing} was ten years old.",
            "It is the small grey model.",
            "We ordered two of them.",
        ],
    },
];

/// Frames in which every word of praise or blame is the review's own.
pub(super) const PLAIN: &[&str] = &[
    "The {a} is {a+} and the {b} is {b+}.",
    "What a {t+} {thing}!",
    "This is the {best+} {thing} I have {had} in years.",
    "A {t+} {thing}, {span}.",
    "It is {t+} and {u+}, and I mean every word of that.",
    "I {loved+} the {a}, and the {b} is {b+} too.",
    "They told me it was {t+}, and they were right.",
    "It was a {joy+}, and the {a} is as {a+} as people say.",
    "{t+} and {u+}, {span}.",
];

/// Frames in which a word of praise or blame is denied.
pub(super) const NEGATIONS: &[&str] = &[
    "The {a} is not {a-} at all.",
    "Hardly a {t-} {thing}, and the {a} is far from {a-}.",
    "Nobody could call the {a} {a-}.",
    "There is nothing {t-} about this {thing}.",
    "I cannot say that the {a} is {a-} or the {b} {b-}.",
    "It is neither {t-} nor {u-}.",
    "This is no {t-} {thing}.",
    "They told me it was {t-}, and they were wrong.",
    "Much less {t-} than I had {fear+}.",
    "I do not think the {a} could be called {a-}.",
];

/// Frames with praise and blame, in which their order tells which of the two counts.
pub(super) const ORDERS: &[&str] = &[
    "The {a} is {a-}, but the {b} {saves+} it.",
    "The {a} is {a-}, but in the end it is the {b} that counts, and that is {b+}.",
    "Although the {a} is {a-}, the {b} is so {b+} that I {would+} come back to it.",
    "{t-} at first, {t+} in the end.",
    "I expected a {t-} {thing} and got a {u+} one.",
    "I expected to {love-} it, and I {loved+} it.",
    "It starts out {t-} and turns out {t+}.",
    "It could have been {t-}, but it is {t+}.",
    "Some call it {t-}; I call it {u+}.",
    "I {loved-} it for a while, and now I {love+} it.",
];

/// What a second judgement is: of other aspects, plain or turned.
pub(super) const ASPECT_JUDGEMENTS: &[&str] = &[
    "The {c} is {c+}.",
    "And the {c} is not {c-}.",
    "Even the {c} is {c+}, and I am {glad+} that I tried it.",
    "The {c} is {c-}, but the {d} is {d+}.",
    "The {c} may be {c-}, yet the {d} is {d+}.",
    "Nor is the {c} {c-}.",
];
