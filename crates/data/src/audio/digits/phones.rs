//! The phones of the ten words.

/// What a phone aims at; between two phones the resonators glide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phone {
    /// The three lowest resonances, in hertz.
    pub formants: [f64; 3],
    /// Loudness of the voice, from 0 to 1.
    pub voice: f64,
    /// Loudness of friction, from 0 to 1.
    pub friction: f64,
    /// Where friction is loudest and how broad it is, in hertz.
    pub band: [f64; 2],
    /// How long it lasts, in milliseconds.
    pub length: f64,
}

const fn vowel(formants: [f64; 3], length: f64) -> Phone {
    Phone { formants, voice: 1.0, friction: 0.0, band: [2500.0, 1000.0], length }
}

const fn sonorant(formants: [f64; 3], voice: f64, length: f64) -> Phone {
    Phone { formants, voice, friction: 0.0, band: [2500.0, 1000.0], length }
}

const fn fricative(formants: [f64; 3], voice: f64, friction: f64, band: [f64; 2], length: f64) -> Phone {
    Phone { formants, voice, friction, band, length }
}

const fn stop(formants: [f64; 3], length: f64) -> Phone {
    Phone { formants, voice: 0.0, friction: 0.0, band: [2500.0, 1000.0], length }
}

// Vowels, by their names in ARPABET.
const AA: Phone = vowel([730.0, 1090.0, 2440.0], 90.0);
const AH: Phone = vowel([640.0, 1190.0, 2390.0], 120.0);
const AO: Phone = vowel([570.0, 840.0, 2410.0], 130.0);
const AX: Phone = vowel([500.0, 1500.0, 2450.0], 60.0);
const EH: Phone = vowel([530.0, 1840.0, 2480.0], 100.0);
const EY: Phone = vowel([460.0, 2000.0, 2550.0], 90.0);
const IH: Phone = vowel([390.0, 1990.0, 2550.0], 80.0);
const IY: Phone = vowel([270.0, 2290.0, 3010.0], 140.0);
const OW: Phone = vowel([490.0, 910.0, 2450.0], 90.0);
const UH: Phone = vowel([400.0, 850.0, 2240.0], 80.0);
const UW: Phone = vowel([300.0, 870.0, 2240.0], 150.0);

// Consonants.
const N: Phone = sonorant([250.0, 1450.0, 2500.0], 0.4, 75.0);
const R: Phone = sonorant([350.0, 1150.0, 1550.0], 0.7, 70.0);
const W: Phone = sonorant([300.0, 650.0, 2200.0], 0.6, 70.0);
const F: Phone = fricative([350.0, 1000.0, 2300.0], 0.0, 0.10, [2600.0, 2400.0], 100.0);
const S: Phone = fricative([350.0, 1700.0, 2600.0], 0.0, 0.35, [3600.0, 700.0], 110.0);
const TH: Phone = fricative([350.0, 1300.0, 2500.0], 0.0, 0.08, [3000.0, 1800.0], 90.0);
const V: Phone = fricative([300.0, 1050.0, 2300.0], 0.4, 0.06, [2600.0, 2400.0], 65.0);
const Z: Phone = fricative([300.0, 1650.0, 2600.0], 0.35, 0.22, [3600.0, 800.0], 85.0);

// Stops: silence, then a burst with a little breath after it.
const T_HOLD: Phone = stop([350.0, 1750.0, 2600.0], 45.0);
const T_BURST: Phone = fricative([350.0, 1750.0, 2600.0], 0.0, 0.40, [3300.0, 900.0], 30.0);
const K_HOLD: Phone = stop([330.0, 1900.0, 2500.0], 50.0);
const K_BURST: Phone = fricative([330.0, 1900.0, 2500.0], 0.0, 0.30, [1900.0, 500.0], 25.0);

/// The phones of zero to nine.
pub(super) const WORDS: [&[Phone]; 10] = [
    &[Z, IH, R, OW, UH],
    &[W, AH, N],
    &[T_BURST, UW],
    &[TH, R, IY],
    &[F, AO, R],
    &[F, AA, IH, V],
    &[S, IH, K_HOLD, K_BURST, S],
    &[S, EH, V, AX, N],
    &[EY, IH, T_HOLD, T_BURST],
    &[N, AA, IH, N],
];
