//! The words of the embedded tagged sentences.
//!
//! In a frame, words stand between spaces and `{slot}` is filled: `per` by a person, `loc` by a place, `date` by a day or a time,
//! `money` by an amount, and `n` by a number that is none of these.

/// Given names that are nothing else.
pub(super) const GIVEN: [&str; 24] = [
    "Anna", "Peter", "Maria", "Thomas", "Ingrid", "Carlos", "Yuki", "Omar", "Elena", "Henry", "Priya", "Lukas",
    "Nadia", "Samuel", "Chiara", "Pavel", "Amina", "George", "Lucia", "Viktor", "Helen", "Mateo", "Sofia", "David",
];

/// Given names that are also months or places.
pub(super) const GIVEN_AND_MORE: [&str; 12] = [
    "April",
    "May",
    "June",
    "August",
    "Florence",
    "Sydney",
    "Victoria",
    "Charlotte",
    "Adelaide",
    "Austin",
    "Chelsea",
    "Georgia",
];

/// Surnames that are nothing else.
pub(super) const SURNAMES: [&str; 24] = [
    "Novak", "Keller", "Rossi", "Tanaka", "Hughes", "Petrov", "Larsen", "Moreau", "Okafor", "Silva", "Haddad", "Kim",
    "Fischer", "Nowak", "Murphy", "Santos", "Weber", "Ivanova", "Duval", "Patel", "Berg", "Costa", "Jensen", "Walker",
];

/// Surnames that are also places.
pub(super) const SURNAMES_AND_PLACES: [&str; 16] = [
    "Jordan",
    "Lincoln",
    "Washington",
    "Houston",
    "Chester",
    "Lancaster",
    "York",
    "Kent",
    "Hamilton",
    "Preston",
    "Carlisle",
    "Warwick",
    "Stafford",
    "Bradford",
    "Sheffield",
    "Wells",
];

/// Places that are nothing else.
pub(super) const PLACES: [&str; 24] = [
    "Lisbon",
    "Oslo",
    "Vienna",
    "Nairobi",
    "Kyoto",
    "Lima",
    "Prague",
    "Dublin",
    "Toronto",
    "Cairo",
    "Warsaw",
    "Geneva",
    "Peru",
    "Norway",
    "Kenya",
    "Japan",
    "Chile",
    "New York",
    "San Marco",
    "Port Louis",
    "Cape Town",
    "Buenos Aires",
    "North Carolina",
    "Sri Lanka",
];

/// What stands before the name of a place and belongs to it.
pub(super) const PLACE_PREFIXES: [&str; 6] = ["North", "South", "Port", "East", "Mount", "Lake"];

/// What stands before a surname and does not belong to it.
pub(super) const TITLES: [&str; 5] = ["Mr", "Mrs", "Dr", "Judge", "Professor"];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) const SEASONS: [&str; 4] = ["spring", "summer", "autumn", "winter"];

pub(super) const CURRENCIES: [&str; 5] = ["euros", "dollars", "pounds", "francs", "yen"];

pub(super) const SIGNS: [&str; 3] = ["$", "£", "€"];

pub(super) const FRAMES: [&str; 52] = [
    "{per} was born in {loc} in {year} .",
    "{per} moved from {loc} to {loc} in {date} .",
    "{per} and {per} met in {loc} on {day} .",
    "{per} told {per} that {loc} was too cold in {month} .",
    "{per} lives near {loc} with {per} .",
    "{per} , who grew up in {loc} , sold the house for {money} .",
    "{per} paid {money} for a small flat in {loc} .",
    "{per} has written to {per} every {weekday} since {year} .",
    "{per} lost {money} on the way to {loc} .",
    "{per} wants to see {loc} before {date} .",
    "{per} has not called since {day} .",
    "{per} won the race in {loc} on {day} .",
    "{per} spoke for an hour , and {per} listened .",
    "{per} and the mayor of {loc} signed the letter on {day} .",
    "{title} {surname} will teach in {loc} until {date} .",
    "{title} {surname} asked {per} for {money} .",
    "{title} {surname} came to {loc} by train on {day} .",
    "In {date} , {per} opened a bakery in {loc} .",
    "On {day} , {per} left {loc} with {money} .",
    "In {loc} , {per} is better known than {per} .",
    "In {loc} it rained until {date} .",
    "Since {year} , {loc} has had two theatres .",
    "By {date} the bridge in {loc} had cost {money} .",
    "Last {weekday} {per} drove {n} miles to {loc} .",
    "{loc} lies {n} miles from {loc} .",
    "{loc} has {n} inhabitants and one school .",
    "{loc} will host the fair in {date} .",
    "{loc} is quiet in {month} and crowded in {month} .",
    "{loc} and {loc} share a river .",
    "{loc} voted on {day} , {loc} did not .",
    "The road to {loc} was closed on {day} .",
    "The road from {loc} to {loc} cost {money} .",
    "The museum of {loc} bought the painting for {money} .",
    "The museum of {loc} shows {n} letters by {per} .",
    "The daughter of {per} studies in {loc} .",
    "The letter from {per} reached {loc} in {date} .",
    "The letter from {loc} reached {per} in {date} .",
    "The train carried {n} people to {loc} .",
    "The book has {n} pages and was printed in {loc} .",
    "The book by {per} costs {money} .",
    "Tickets cost {money} until {day} .",
    "Nobody in {loc} had heard of {per} .",
    "Nobody has seen {per} since {date} .",
    "A flat in {loc} costs {money} more than one in {loc} .",
    "A friend of {per} found {money} in {loc} .",
    "We met {per} in {loc} .",
    "We stayed in {loc} from {day} to {day} .",
    "They owe {per} {money} .",
    "They flew to {loc} with {per} on {day} .",
    "\" {loc} was never like this , \" said {per} .",
    "\" I paid {money} , \" said {per} on {weekday} .",
    "Room {n} was booked by {per} for {day} .",
];
