//! The words of the embedded stories. In a wording, `[a|b]` is one of the alternatives, `{slot}` is what the story's people and
//! things are, with `{^slot}` at the start of a sentence, and a leading line break begins a paragraph.

use super::{Person, Plot};

/// Who may be a hero or a friend.
pub(super) const CAST: [Person; 36] = [
    ("Mia", "girl", true),
    ("Anna", "girl", true),
    ("Lily", "girl", true),
    ("Rosa", "girl", true),
    ("Nora", "girl", true),
    ("Ella", "girl", true),
    ("Ivy", "girl", true),
    ("Clara", "girl", true),
    ("Zoe", "girl", true),
    ("Tom", "boy", false),
    ("Ben", "boy", false),
    ("Max", "boy", false),
    ("Leo", "boy", false),
    ("Sam", "boy", false),
    ("Finn", "boy", false),
    ("Hugo", "boy", false),
    ("Oscar", "boy", false),
    ("Jack", "boy", false),
    ("Rusty", "fox", false),
    ("Pip", "mouse", false),
    ("Bella", "bear", true),
    ("Hazel", "squirrel", true),
    ("Otto", "otter", false),
    ("Willow", "deer", true),
    ("Bruno", "badger", false),
    ("Dot", "hedgehog", true),
    ("Flora", "rabbit", true),
    ("Gus", "goose", false),
    ("Penny", "duck", true),
    ("Toby", "dog", false),
    ("Vera", "frog", true),
    ("Quentin", "owl", false),
    ("Ginger", "cat", true),
    ("Moss", "tortoise", false),
    ("Juniper", "goat", true),
    ("Felix", "raven", false),
];

/// Who may give advice.
pub(super) const ELDERS: [Person; 12] = [
    ("Grandmother", "grandmother", true),
    ("Grandfather", "grandfather", false),
    ("Aunt June", "aunt", true),
    ("Uncle Walt", "uncle", false),
    ("the baker", "baker", true),
    ("the miller", "miller", false),
    ("the gardener", "gardener", true),
    ("the old fisherman", "fisherman", false),
    ("the teacher", "teacher", true),
    ("the shepherd", "shepherd", false),
    ("the clockmaker", "clockmaker", false),
    ("the ferrywoman", "ferrywoman", true),
];

/// Where a story may take place.
pub(super) const PLACES: [&str; 14] = [
    "the forest",
    "the meadow",
    "the old barn",
    "the orchard",
    "the mill",
    "the harbor",
    "the market",
    "the lake",
    "the windy hill",
    "the stone bridge",
    "the village square",
    "the lighthouse",
    "the quiet valley",
    "the railway station",
];

/// What a skill is called, what doing it is called, and what was done at last.
pub(super) const SKILLS: [[&str; 3]; 12] = [
    ["swim", "swimming", "swam across the whole pond"],
    ["whistle", "whistling", "whistled a whole song"],
    ["skate", "skating", "skated all around the frozen lake"],
    ["juggle", "juggling", "juggled three apples without a mistake"],
    ["climb trees", "climbing", "climbed to the top of the tallest tree"],
    ["ride a bicycle", "riding", "rode all the way down the lane"],
    ["play the flute", "playing", "played a sweet tune for everyone"],
    ["paint", "painting", "painted a picture of the whole valley"],
    ["dance", "dancing", "danced at the summer fair"],
    ["read", "reading", "read a whole page out loud"],
    ["row a boat", "rowing", "rowed to the island and back"],
    ["tie knots", "tying knots", "tied a knot that no one could undo"],
];

/// Where `place` stands among the [`FILLERS`].
pub(super) const PLACE: usize = 0;

/// What else a wording may name: one entry of each holds for a whole story.
pub(super) const FILLERS: [(&str, &[&str]); 10] = [
    ("place", &PLACES),
    (
        "thing",
        &[
            "ball",
            "kite",
            "drum",
            "lantern",
            "hat",
            "scarf",
            "book",
            "bell",
            "whistle",
            "umbrella",
            "toy boat",
            "music box",
            "wooden horse",
            "marble",
            "paper crown",
            "key",
            "wagon",
            "blanket",
            "apron",
            "teapot",
        ],
    ),
    ("colour", &["red", "blue", "green", "yellow", "white", "golden", "orange", "purple", "gray", "pink"]),
    (
        "food",
        &[
            "loaf of bread",
            "apple pie",
            "berry cake",
            "pot of soup",
            "bowl of porridge",
            "basket of plums",
            "bag of nuts",
            "jar of honey",
            "wheel of cheese",
            "plate of pancakes",
            "bunch of grapes",
            "onion tart",
        ],
    ),
    // What can be cooked.
    (
        "dish",
        &["loaf of bread", "apple pie", "berry cake", "pot of soup", "onion tart", "plate of pancakes", "nut cake"],
    ),
    (
        "hiding",
        &[
            "under a thorny bush",
            "behind a big rock",
            "in a pile of leaves",
            "in the tall grass",
            "under the bridge",
            "between two old roots",
            "inside a hollow log",
            "at the bottom of a dry well",
            "on top of a fence post",
            "behind the water barrel",
        ],
    ),
    ("pet", &["little bird", "kitten", "baby turtle", "lamb", "duckling", "puppy", "piglet", "gosling", "young crow"]),
    ("plant", &["pumpkin", "sunflower", "rose", "bean", "apple tree", "melon", "tulip", "pear tree", "carrot"]),
    ("season", &["spring", "summer", "autumn", "winter"]),
    ("number", &["two", "three", "four", "five", "six", "seven", "ten", "twelve"]),
];

/// How a story may begin, whatever its plot.
const OPENING: &[&str] = &[
    "Once upon a time, there was a [small|clever|kind|cheerful|curious] {Akind} named {A}.",
    "{A} was a [young|brave|gentle|merry|quiet] {Akind} who lived near {place}.",
    "In a [little|tidy|crooked|cozy] house by {place} lived a {Akind} called {A}.",
    "Long ago, a [friendly|lively|thoughtful|careful] {Akind} named {A} lived [alone|with {Ahis} family] near {place}.",
    "There once was a {Akind} named {A}, and everyone near {place} knew {Ahim}.",
    "{A} the {Akind} [loved|liked] nothing more than [a long walk|a good story|a sunny day|a warm fire].",
];

/// What happens.
pub(super) const PLOTS: [Plot; 18] = [
    // Something is lost, and found with a friend.
    &[
        OPENING,
        &[
            "{^Ahe} had a {colour} {thing} that {Ahe} took everywhere.",
            "Of all {Ahis} things, {Ahe} loved {Ahis} {colour} {thing} the most.",
            "{^C} had given {Ahim} a {colour} {thing}, and {Ahe} was very proud of it.",
        ],
        &[
            "\nOne [morning|afternoon|evening], the {thing} was gone.",
            "\nOne [rainy|windy|foggy] day, {A} could not find the {thing} anywhere.",
            "\nBut one day, on the way home from {other}, {A} lost it.",
        ],
        &[
            "{^Ahe} looked under the bed and behind the door, but it was not there.",
            "{^Ahe} searched [all day|for hours|until noon] and found nothing but [dust|an old shoe|a broken cup].",
            "{^Ahe} sat down on a stone and began to cry.",
        ],
        &[
            "\"What is wrong?\" asked {B} the {Bkind}. \"I lost my {thing},\" said {A}.",
            "{B} the {Bkind} came by. \"Why are you so sad?\" {Bhe} asked. \"My {thing} is gone,\" {A} said.",
            "\"Have you seen my {thing}?\" {A} asked {B} the {Bkind}. \"No,\" said {B}, \"but I will help you look.\"",
        ],
        &[
            "\nTogether they walked to {other}. {B} looked [left|up], and {A} looked [right|down].",
            "\nThey went back the way {A} had come, step by step, all the way to {other}.",
            "\n\"Where did you play last?\" asked {B}. {A} thought hard, and then they both ran to {other}.",
        ],
        &[
            "And there it was, {hiding}!",
            "At last {B} saw something {colour} {hiding}. It was the {thing}!",
            "Something {colour} was shining {hiding}. \"There!\" cried {A}.",
        ],
        &[
            "\"Thank you,\" said {A}, and {Ahe} let {B} [play with|keep|carry] the {thing} all the way home.",
            "{A} hugged {B} and laughed. From then on, the two friends looked after the {thing} together.",
            "\"A friend is better than any {thing},\" said {A}, and {Ahe} meant it.",
        ],
    ],
    // Food is shared.
    &[
        OPENING,
        &[
            "One [cold|warm|bright] day, {C} gave {Ahim} a {food}.",
            "One day, {Ahe} won a {food} at {other}.",
            "One morning, {Ahe} found a {food} on the doorstep with a note that said, \"For you.\"",
        ],
        &[
            "\n\"I will eat it all by myself,\" thought {A}.",
            "\n{A} was very hungry, and {Ahe} sat down at once to eat.",
            "\nIt smelled so good that {A} could hardly wait.",
        ],
        &[
            "Just then {B} the {Bkind} came along. {^Bhe} looked [thin|tired|cold] and hungry.",
            "But then {Ahe} saw {B} the {Bkind}, who had eaten nothing since [yesterday|morning|last night].",
            "A {Bkind} named {B} stopped at the gate. \"That smells wonderful,\" {Bhe} said softly.",
        ],
        &[
            "{A} looked at the {food}. Then {Ahe} looked at {B}.",
            "{A} did not know what to do. There was not very much to share.",
            "At first {A} wanted to hide the {food}, but that did not feel right.",
        ],
        &[
            "\n\"Sit down,\" said {A}. \"There is enough for two.\"",
            "\n\"Half of it is yours,\" {A} said at last.",
            "\n\"Please eat with me,\" said {A}. \"I do not like to eat alone.\"",
        ],
        &[
            "They ate slowly and told each other [funny|long|old] stories until the sun went down.",
            "They ate every bit of it, and {B} sang a song to say thank you.",
            "The {food} was gone very soon, but neither of them was hungry any more.",
        ],
        &[
            "The next day, {B} came back with a [bigger|second|fresh] {food}, and they shared that one too.",
            "\"It tasted better that way,\" {A} told {C} that night. {^C} only smiled.",
            "Since that day, {A} has never eaten a {food} alone.",
        ],
    ],
    // A fear of the dark or of a storm is overcome.
    &[
        OPENING,
        &[
            "{^Ahe} was not afraid of [bears|heights|deep water|spiders], but {Ahe} was afraid of the dark.",
            "There was only one thing that {Ahe} did not like, and that was thunder.",
            "By day {Ahe} was brave, but at night {Ahe} pulled the blanket over {Ahis} head.",
        ],
        &[
            "\nOne {season} night, the wind blew out the [lamp|candle|lantern].",
            "\nOne {season} night, there was a terrible storm over {place}.",
            "\nOne night, a loud crash woke {Ahim} up.",
        ],
        &[
            "{A} did not dare to move. {^Ahis} heart went thump, thump, thump.",
            "\"Who is there?\" whispered {A}. No one answered.",
            "{A} hid under the table and counted to {number}.",
        ],
        &[
            "Then the door opened slowly. It was {C}, with a small light in {Chis} hand.",
            "Then {Ahe} heard a knock. \"It is only me,\" said {C}.",
            "\"Are you awake?\" said a soft voice. It was {C}.",
        ],
        &[
            "\n\"I was afraid of the night too, once,\" said {C}. \"Come, let us listen to it together.\"",
            "\n\"The dark is only the day with its eyes closed,\" said {C}, and {Che} took {Ahim} by the hand.",
            "\n\"A storm is just the sky singing too loudly,\" said {C}, and {Che} sat down beside {Ahim}.",
        ],
        &[
            "They listened to the [rain|wind|old clock], and little by little it sounded like [music|a song|a story].",
            "They looked out of the window and counted {number} [stars|clouds|fireflies].",
            "{^C} hummed a tune, and soon {A} was humming too.",
        ],
        &[
            "Before long, {A} fell asleep, and {Ahe} was not afraid.",
            "The next night, {A} blew out the light all by {Ahim}self. It was dark, and it was fine.",
            "After that, whenever {B} was afraid at night, {A} told {Bhim} what {C} had said.",
        ],
    ],
    // A skill is learned by practice.
    &[
        OPENING,
        &[
            "More than anything, {Ahe} wanted to {skill} as well as {B} the {Bkind}.",
            "{^Ahis} friend {B} the {Bkind} could {skill}, but {A} could not.",
            "Every day {Ahe} watched {B} the {Bkind}, who knew how to {skill}.",
        ],
        &[
            "\n\"{^doing} is easy,\" said {B}. \"Just do as I do.\" But it was not easy at all.",
            "\nOn the first day, {A} tried {number} times and failed {number} times.",
            "\n\"I will never learn it,\" {A} said after the first try, and {Ahe} kicked a stone.",
        ],
        &[
            "\"Everyone is bad at {doing} before they are good at it,\" said {C}.",
            "{^C} was watching. \"Try again tomorrow,\" {Che} said, \"and then again the day after.\"",
            "\"Do you know how long it took me?\" asked {C}. \"All of one {season}.\"",
        ],
        &[
            "So {A} practiced every [morning|evening|day] near {place}, even when it [rained|snowed|was cold].",
            "So {A} kept on, a little longer each day, and {B} helped whenever {Bhe} could.",
            "So {A} got up early, practiced until noon, and went to bed with sore [feet|arms|ears].",
        ],
        &[
            "\nThen, one [bright|quiet|fine] day, something changed.",
            "\nAnd at the end of the {season}, it happened.",
            "\nWeeks went by. Then, on an ordinary [Monday|Tuesday|Friday], {A} took a deep breath.",
        ],
        &["{A} {did}!", "While {B} and {C} watched, {A} {did}.", "Almost without thinking, {A} {did}."],
        &[
            "\"I knew you could do it,\" said {C}.",
            "\"Did you see that?\" cried {A}. \"I saw it,\" said {B}, \"and I will tell everyone.\"",
            "\"Now teach me something new,\" {A} said, and everybody laughed.",
            "{A} was so happy that {Ahe} did it again, and again, until it was dark.",
        ],
    ],
    // A birthday gift is made by hand.
    &[
        OPENING,
        &[
            "Tomorrow was the birthday of {B} the {Bkind}, and {A} had no gift.",
            "{B} the {Bkind} was {Ahis} best friend, and {Bhis} birthday was only [a day|two days] away.",
        ],
        &[
            "\n{A} counted {Ahis} coins. There were only {number}, and that was not enough.",
            "\nIn the shop by {other} there was a beautiful {thing}, but it cost far too much.",
            "\n{A} went to {other} to buy a {thing}, but the last one had just been sold.",
        ],
        &["\"What shall I do?\" {Ahe} asked {C}.", "\"I have nothing to give,\" {Ahe} told {C} sadly."],
        &[
            "\"Then make something,\" said {C}. \"A gift you make with your hands has your heart in it.\"",
            "{^C} thought for a while. \"I have some old wood and some {colour} paint,\" {Che} said. \"Would that help?\"",
            "\"The best gift I ever got was not from a shop,\" said {C}, and {Che} fetched a box of tools.",
        ],
        &[
            "\nAll evening {A} worked. {^Ahe} cut, glued, and painted until {Ahis} nose was {colour}.",
            "\n{A} worked by the light of a candle, and {C} held the pieces together.",
            "\nIt took {number} tries, but in the end there stood a little {colour} {thing}.",
        ],
        &[
            "The next day, {B} opened the box and found a {colour} {thing}.",
            "When {B} saw the {colour} {thing}, {Bhe} did not say a word for a long time.",
            "\"It is a bit crooked,\" said {A}, and {Ahe} gave {B} the {colour} {thing}.",
        ],
        &[
            "\"You made this for me?\" asked {B}. \"Then it is the best {thing} in the world.\"",
            "\"I will keep it forever,\" said {B}, and {Bhe} did.",
            "{B} smiled from ear to ear and put it right next to {Bhis} bed.",
        ],
    ],
    // Something is broken, and the truth is told.
    &[
        OPENING,
        &[
            "{^Ahe} often visited {C}, who had a {colour} {thing} on a high shelf.",
            "One day, {Ahe} was playing in the house of {C}.",
        ],
        &[
            "\"You may look at the {thing},\" {C} always said, \"but please do not touch it.\"",
            "\"Be careful with my {thing},\" said {C}. \"It is very old.\"",
        ],
        &[
            "\nBut when no one was looking, {A} took the {thing} down. It slipped, it fell, and it broke.",
            "\n{A} only wanted to hold it for a moment. Then there was a [crack|crash], and the {thing} lay in {number} pieces.",
        ],
        &[
            "{A} wanted to run away. {^Ahe} hid the pieces {hiding}.",
            "\"Maybe no one will notice,\" thought {A}, but {Ahis} stomach hurt.",
            "\"You could say it was the wind,\" said {B} the {Bkind}. {A} shook {Ahis} head.",
        ],
        &[
            "That night {A} could not sleep.",
            "All through dinner {A} did not eat a bite.",
            "{A} walked around {place} {number} times, thinking.",
        ],
        &[
            "\nIn the end {Ahe} went to {C} and said, \"It was me. I broke your {thing}, and I am sorry.\"",
            "\nThe next morning {Ahe} knocked on the door. \"I have to tell you something,\" {Ahe} said, and {Ahe} told the truth.",
        ],
        &[
            "{^C} was quiet for a while. \"A {thing} can be mended,\" {Che} said. \"It is harder to mend a lie.\"",
            "\"I am sad about the {thing},\" said {C}, \"but I am glad that you told me.\"",
        ],
        &[
            "They glued the {thing} together, piece by piece. You could still see the cracks, but {C} liked it even more.",
            "Together they mended it, and {A} felt as light as a feather.",
        ],
    ],
    // A race, and something more important than winning.
    &[
        OPENING,
        &[
            "Every {season} there was a great race from {place} to {other}.",
            "On the last day of {season}, everyone met at {place} for the big race.",
        ],
        &[
            "The winner would get a {colour} {thing}, and {A} wanted it very much.",
            "{A} had practiced for {number} weeks, and {Ahe} was fast.",
            "\"I am going to win,\" said {B} the {Bkind}. \"We will see,\" said {A}.",
        ],
        &["\n\"Ready, set, go!\" called {C}, and off they ran.", "\n{^C} rang a bell, and the race began."],
        &[
            "{A} ran past the [well|fence|old oak], past the [pond|church|haystack], and soon {Ahe} was in front.",
            "At first {B} the {Bkind} was ahead, but {A} came closer and closer.",
        ],
        &[
            "Then {Ahe} heard a cry. A {pet} was stuck {hiding}.",
            "Then {Ahe} saw that {B} the {Bkind} had fallen and hurt {Bhis} foot.",
        ],
        &[
            "\n{A} could see the finish. But {Ahe} stopped, turned around, and went back to help.",
            "\n\"If I stop now, I will lose,\" thought {A}. And {Ahe} stopped.",
        ],
        &[
            "{A} came in last that day, but everybody cheered for {Ahim} the loudest.",
            "When {A} reached {other} at last, the others had gone home. Only {C} was waiting, with a {food}.",
            "Someone else got the {thing}. {A} did not mind, because now {Ahe} had a new friend.",
        ],
        &[
            "\"You lost the race,\" said {C}, \"and you won something better.\"",
            "\"There will be another race,\" said {A}, and {Ahe} slept very well that night.",
            "\"Next year we will run together,\" {A} said.",
        ],
    ],
    // The way home is found.
    &[
        OPENING,
        &[
            "One {season} day, {Ahe} went to {other} to pick [berries|mushrooms|flowers|herbs].",
            "One day, {C} sent {Ahim} to {other} with a {food}.",
            "One day, {Ahe} followed a {pet} farther than {Ahe} had ever gone before.",
        ],
        &[
            "\nOn the way back, a thick fog came down, and {A} could not see {Ahis} own [feet|nose].",
            "\nThe path split in two, and then in two again. Soon {A} was lost.",
            "\nIt grew dark, and all the trees looked the same.",
        ],
        &[
            "\"Hello?\" called {A}. \"Hello,\" said the echo, and that was all.",
            "{^Ahe} walked in a circle and came back to the same [stone|stump|puddle] {number} times.",
            "\"Do not panic,\" {Ahe} told {Ahim}self. \"Sit down and think.\"",
        ],
        &[
            "Then {Ahe} remembered what {C} had told {Ahim}: \"When you cannot see, listen.\"",
            "\"If you are ever lost,\" {C} had once said, \"follow the water. It always knows the way down.\"",
            "Then {B} the {Bkind} came out of the shadows. \"Are you lost too?\" {Bhe} asked.",
        ],
        &[
            "\nFar away, a bell was ringing. {A} walked toward the sound, one step at a time.",
            "\nBehind the trees there was a tiny light. It was yellow and warm, like a window.",
            "\nThere was a little stream nearby, and it ran down to {place}.",
        ],
        &[
            "And suddenly {Ahe} knew where {Ahe} was. There was the [gate|fence|bridge], and there was home!",
            "At last {Ahe} stood in front of {Ahis} own door.",
        ],
        &[
            "\"You are late,\" said {C}, and {Che} put a {food} on the table.",
            "{^C} had left a lantern in the window. \"I knew you would find it,\" {Che} said.",
            "That night {A} drew a map, so that no one would ever get lost there again.",
        ],
    ],
    // A small animal is rescued.
    &[
        OPENING,
        &[
            "On the way to {other}, {Ahe} heard a very small voice.",
            "One [windy|quiet|hot] afternoon, {Ahe} heard something crying near {other}.",
        ],
        &["It was a {pet}, and it was stuck {hiding}.", "There, {hiding}, sat a {pet} that could not get out."],
        &[
            "\n\"Do not be afraid,\" said {A}. \"I will help you.\"",
            "\n{A} pulled and pushed, but {Ahe} was not strong enough alone.",
            "\n\"Wait here,\" {A} told the {pet}, which was silly, because it could not go anywhere.",
        ],
        &[
            "{^Ahe} ran to get {B} the {Bkind}, and {B} brought a [rope|ladder|long stick].",
            "Luckily {B} the {Bkind} was fishing nearby. \"Take my hand,\" said {B}.",
            "{^Ahe} called for {C}, who came as fast as {Che} could.",
        ],
        &["One, two, three, and the {pet} was free!", "It took {number} tries, but then the {pet} was free."],
        &[
            "\n{A} wrapped it in {Ahis} [scarf|coat|shirt] and gave it some [water|milk|crumbs].",
            "\nIts leg was hurt, so {A} took it home and cared for it for {number} days.",
            "\nThe {pet} was cold and wet, and {A} held it until it stopped shaking.",
        ],
        &[
            "\"May I keep it?\" asked {A}. \"It belongs outside,\" said {C}, \"but it will not forget you.\"",
            "When it was strong again, {A} opened the door. The {pet} looked back once, and then it was gone.",
        ],
        &[
            "The next {season}, the {pet} came back, and it was not alone.",
            "From that day on, the {pet} followed {A} wherever {Ahe} went.",
            "{A} waved until {Ahe} could not see it any more.",
        ],
    ],
    // A seed, and patience.
    &[
        OPENING,
        &[
            "One day, {C} gave {Ahim} a seed. \"This will be a {plant},\" said {C}.",
            "At {other}, {Ahe} traded a {thing} for a single {plant} seed.",
        ],
        &[
            "{A} put it in the ground, gave it some water, and sat down to wait.",
            "{A} dug a hole behind the house, dropped in the seed, and covered it with earth.",
        ],
        &[
            "\nAn hour later, nothing had happened. \"It does not work,\" said {A}.",
            "\nThe next morning, {A} ran outside. There was nothing to see.",
            "\nA week went by, and the ground was still bare.",
        ],
        &[
            "\"Perhaps it is asleep,\" said {B} the {Bkind}. So {A} sang to it.",
            "\"You cannot hurry a {plant},\" {C} told {A} and {B} the {Bkind}.",
            "{B} the {Bkind} laughed. \"You should dig it up and look,\" {Bhe} said. But {A} did not.",
        ],
        &[
            "Every day {A} carried water from the well, and every day {Ahe} pulled out the weeds.",
            "It rained, and then the sun shone, and then it rained again. {A} waited.",
        ],
        &[
            "\nThen, one morning in {season}, there was a tiny green leaf.",
            "\nAfter {number} weeks, something small and green looked out of the ground.",
        ],
        &[
            "It grew and grew. In the end, the {plant} was taller than {A}.",
            "By the end of the year, it was the finest {plant} near {place}.",
        ],
        &[
            "\"What did you do to make it grow?\" asked {B}. \"I waited,\" said {A}.",
            "{A} kept {number} seeds from it and gave one of them to {B}.",
            "\"Good things take time,\" said {A}, and {C} nodded.",
        ],
    ],
    // A quarrel, and how it ends.
    &[
        OPENING,
        &[
            "{^Ahis} best friend was {B} the {Bkind}. They did everything together.",
            "{^Ahe} and {B} the {Bkind} had been friends for {number} years.",
        ],
        &[
            "\nBut one day, they both wanted the same {colour} {thing}.",
            "\nOne day, they found a {colour} {thing} near {other}. \"It is mine,\" said {A}. \"No, mine,\" said {B}.",
        ],
        &[
            "They pulled and shouted, and in the end they both went home angry.",
            "\"I do not want to play with you any more,\" said {B}. \"Good,\" said {A}.",
        ],
        &[
            "For {number} days they did not speak. When {A} saw {B} near {place}, {Ahe} looked the other way.",
            "The next day was long and [dull|gray|empty]. {A} had nobody to laugh with.",
        ],
        &[
            "\n\"What is a {thing} good for,\" asked {C}, \"if you have no one to play with?\"",
            "\n{A} looked at the {thing}. It was still {colour}, but it was no fun alone.",
            "\n\"Somebody has to say it first,\" said {C}. {A} knew what {Che} meant.",
        ],
        &[
            "So {A} went to the house of {B} and knocked. \"I am sorry,\" {Ahe} said. \"So am I,\" said {B}.",
            "On the way to say sorry, {A} met {B} in the middle of the road. {^Bhe} was coming to say the same.",
        ],
        &[
            "From then on, {A} had the {thing} on [Mondays|Sundays], and {B} had it on [Tuesdays|Fridays].",
            "They gave the {thing} to a {pet} that liked it even more, and went off to play.",
            "After that, they sometimes still quarreled, but never for longer than an hour.",
        ],
    ],
    // A strange noise at night.
    &[
        OPENING,
        &[
            "One {season} night, {Ahe} heard a strange noise. [Tap, tap, tap|Scratch, scratch|Bump, bump, bump], it went.",
            "For {number} nights, something had been making noise on the roof.",
        ],
        &[
            "\"It is a ghost,\" said {B} the {Bkind}, who was staying for the night.",
            "\"It is only the wind,\" said {B} the {Bkind}, who had come to visit, but the air was still.",
        ],
        &[
            "\n{A} took a [candle|broom|spoon] and went to see. {^Ahis} knees were shaking.",
            "\n\"I want to know what it is,\" said {A}. {^Ahe} put on {Ahis} shoes and opened the door.",
        ],
        &[
            "The noise came from the [cellar|attic|kitchen]. It grew louder with every step.",
            "\"Do not go,\" whispered {B}. \"Come with me, then,\" {A} whispered back.",
        ],
        &[
            "Slowly, very slowly, {A} looked around the corner.",
            "{A} counted to {number} and lifted the {colour} cloth.",
        ],
        &[
            "\nThere sat a {pet} with its head in a [jug|jar|boot].",
            "\nIt was not a ghost at all. It was a {pet}, and it was eating the {food}!",
            "\nTwo round eyes looked back. It was a {pet}, just as frightened as {A} was.",
        ],
        &["{A} began to laugh, and {Ahe} could not stop.", "\"So you are my ghost,\" said {A}."],
        &[
            "{^Ahe} made it a bed {hiding}, and after that the nights were quiet.",
            "The next night, {A} left out a bowl of milk, and there was no more noise.",
            "\"I was never afraid,\" said {B} the next day. {A} said nothing and smiled.",
        ],
    ],
    // Cooking goes wrong, and turns out well.
    &[
        OPENING,
        &[
            "One day, {C} was sick, so {A} wanted to make {Chim} a {dish}.",
            "One day, {A} said, \"Today I will make a {dish} all by myself.\"",
        ],
        &[
            "\n{^Ahe} had no recipe, but {Ahe} had seen {C} do it {number} times.",
            "\n\"First the flour,\" {Ahe} said, \"or was it first the [eggs|butter|sugar]?\"",
        ],
        &[
            "{^Ahe} stirred and stirred until the kitchen was {colour} from floor to ceiling.",
            "There was [salt|pepper|mustard] where the sugar should have been, and smoke came out of the oven.",
        ],
        &[
            "{B} the {Bkind} looked in at the window. \"Is there a fire?\" {Bhe} asked.",
            "\"What is that smell?\" asked {B} the {Bkind}, holding {Bhis} nose.",
        ],
        &[
            "\n\"It is ruined,\" said {A}. {B} took a tiny bite. {^Bhe} chewed for a long time.",
            "\nWhat came out of the oven did not look like a {dish}. It looked like a {thing}.",
        ],
        &[
            "\"Let us try again together,\" said {B}, and {Bhe} rolled up {Bhis} sleeves.",
            "\"It needs only one thing,\" said {B}, and {Bhe} ran home to get some [honey|butter|cream].",
        ],
        &[
            "The second one was perfect, and {C} ate {number} pieces of it.",
            "{^C} tasted it and laughed. \"I have never had anything like it,\" {Che} said, and {Che} took some more.",
        ],
        &[
            "And from then on, they cooked together every [Saturday|Sunday].",
            "They gave the first one to the geese, who liked it very much.",
            "\"Next time,\" said {A}, \"I will write it down.\"",
        ],
    ],
    // A map and a treasure.
    &[
        OPENING,
        &[
            "One day, {Ahe} found an old map {hiding}.",
            "In the attic of {C}, {Ahe} found a map with a {colour} cross on it.",
        ],
        &[
            "\"A treasure!\" cried {B} the {Bkind}. \"We must go at once.\"",
            "\"It starts at {place},\" {Ahe} told {B} the {Bkind}, \"and it ends at {other}.\"",
        ],
        &[
            "\nThey packed a {food} and a rope, and they left before sunrise.",
            "\nThey walked for {number} hours. They crossed a river and climbed over a wall.",
        ],
        &[
            "\"Now {number} steps to the north,\" read {A}, \"and then look {hiding}.\"",
            "\"Are you sure that is the right way up?\" asked {B}. {A} turned the map around.",
        ],
        &[
            "They dug until their hands were black. Then the shovel hit something hard.",
            "{B} pushed a stone away. There was a small box with a {colour} lid.",
        ],
        &[
            "\nThere was no gold in it. There was a {colour} {thing}, and a letter.",
            "\nInside lay a {colour} {thing} and nothing else.",
        ],
        &[
            "\"I hid this when I was as young as you,\" said the letter. It was signed by {C}!",
            "\"That was mine,\" said {C} when they came home. \"I buried it when I was small, and I forgot where.\"",
        ],
        &[
            "That evening, {C} told them about the old days, and that was the real treasure.",
            "They put in a letter of their own and buried the box again, for somebody else to find.",
            "\"We are rich,\" said {B}, looking at the stars, and {A} thought so too.",
        ],
    ],
    // One thing is traded for another.
    &[
        OPENING,
        &[
            "One day, {C} sent {Ahim} to the market to sell a {food}.",
            "One {season} morning, {Ahe} went to the market with nothing but a {food}.",
        ],
        &[
            "\"Come home with something useful,\" said {C}.",
            "\"I need a new {thing},\" {Ahe} thought, \"and this is all I have.\"",
        ],
        &[
            "\nFirst, a farmer gave {Ahim} {number} eggs for the {food}.",
            "\nFirst, a hungry sailor took the {food} and gave {Ahim} a ball of string.",
            "\nFirst, {Ahe} gave the {food} to a woman who had an old {colour} coat to give away.",
        ],
        &[
            "Then a tailor wanted just that, and {A} got a {colour} button for it.",
            "Then {A} met a painter, who gave {Ahim} a {colour} feather in return.",
        ],
        &[
            "\"A button for a feather, a feather for a song,\" laughed {B} the {Bkind}. \"You will come home with nothing.\"",
            "\"You are a poor trader,\" said {B} the {Bkind}. \"We will see,\" said {A}.",
        ],
        &[
            "\nAt the very end of the day, a man with a cart stopped. \"I have looked for one like that for {number} years,\" he said.",
            "\nAt the last stand sat a woman with a sad face. \"That is just what I need,\" she said.",
        ],
        &[
            "And so {A} walked home with a beautiful {colour} {thing}.",
            "And so {A} came home with a {thing} and a {food}, which was more than {Ahe} had started with.",
        ],
        &[
            "\"How did you do that?\" asked {C}. \"I asked everyone what they needed,\" said {A}.",
            "{B} could not believe it, and {Bhe} asked {A} to take {Bhim} along the next time.",
        ],
    ],
    // A shy newcomer.
    &[
        OPENING,
        &[
            "One day, a new neighbor came to {place}. It was a {Bkind} named {B}.",
            "That {season}, a {Bkind} named {B} moved into the empty house next door.",
        ],
        &["{B} never said a word to anyone.", "{B} was so shy that {Bhe} only came out at night."],
        &[
            "\n\"{^Bhe} must be proud,\" said some. \"{^Bhe} must be mean,\" said others.",
            "\n\"Leave {Bhim} alone,\" people said. But {A} was curious.",
        ],
        &[
            "{A} left a {food} at the door and went away. In the morning, the plate was clean.",
            "{A} put a letter under the door. \"Do you like to {skill}?\" it said.",
        ],
        &[
            "The next day, there was a {colour} {thing} on the step of {A}'s house.",
            "For {number} days nothing happened. Then, one evening, there was a soft knock.",
        ],
        &[
            "\n\"Thank you,\" said {B} in a very small voice. \"No one ever asked me before.\"",
            "\n\"I would like to {skill},\" said {B}, \"but I do not know anyone here.\" \"Now you know me,\" said {A}.",
        ],
        &[
            "It turned out that {B} knew {number} hundred stories and told them better than anyone.",
            "It turned out that {B} was not proud at all. {^Bhe} had only been waiting for somebody to be kind.",
        ],
        &[
            "By the end of {season}, everyone near {place} was {Bhis} friend, but {A} was the first.",
            "And when the next newcomer arrived, it was {B} who brought the {food}.",
        ],
    ],
    // A false alarm too many.
    &[
        OPENING,
        &[
            "{^Ahe} liked to play tricks. \"Help, help, the house is on fire!\" {Ahe} shouted, and then {Ahe} laughed.",
            "{^Ahe} told tall tales all day long. \"I saw a giant near {other}!\" {Ahe} told {C}.",
        ],
        &[
            "{^C} came running, but there was nothing there.",
            "At first everyone believed {Ahim}. After {number} times, nobody did.",
        ],
        &[
            "\nThen, one {season} evening, {A} saw that the river was rising. It was coming closer to {place}.",
            "\nThen, one day, {A} saw that {B} the {Bkind} had fallen into the water at {other}.",
        ],
        &[
            "\"Help!\" shouted {A}. \"This time it is true!\" But nobody even looked up.",
            "{^Ahe} ran from door to door. \"Another of your tricks,\" people said.",
        ],
        &[
            "{A} sat down and thought. Why should anyone believe {Ahim} now?",
            "{A} felt hot and cold. \"It is my own fault,\" {Ahe} said.",
        ],
        &[
            "\n\"Please,\" {Ahe} said to {C}, and {Ahis} voice was very quiet. \"I will never trick you again. Please come.\"",
            "\nThen {A} took the {colour} {thing} that {Ahe} loved best. \"If I am lying, you can have it,\" {Ahe} told {C}.",
        ],
        &[
            "{^C} looked into {Ahis} eyes, and {Che} came. They were just in time.",
            "{^C} put down {Chis} work and ran. Together they saved what there was to save.",
        ],
        &[
            "After that day, {A} told only true stories, and they were just as good.",
            "\"Trust is like a {thing},\" said {C}. \"It is easily lost, and it takes long to find.\"",
        ],
    ],
    // A day with nothing to do.
    &[
        OPENING,
        &[
            "One {season} day, there was nothing to do at all.",
            "It had been raining for {number} days, and {A} had read every book in the house.",
        ],
        &[
            "\"I am bored,\" said {A}. \"So am I,\" said {B} the {Bkind}.",
            "\"How can you be bored?\" {C} asked {A} and {B} the {Bkind}. \"You have a whole world to look at.\"",
        ],
        &[
            "\nSo they turned the {colour} {thing} upside down, and it became a ship.",
            "\n\"Let us pretend,\" said {B}, \"that this chair is a mountain.\"",
            "\nSo {A} took a big {colour} blanket and made a castle under the table.",
        ],
        &[
            "They sailed past {place}, and they waved to the whales.",
            "A {pet} was the king, and the broom was a dragon with {number} heads.",
        ],
        &[
            "\"Land!\" cried {A}. \"I see an island made of [cheese|sugar|gold]!\"",
            "\"Who goes there?\" called {B}. \"A friend,\" said {A}, \"with a {food}.\"",
        ],
        &[
            "\nThey did not hear the clock, and they did not see that the rain had stopped.",
            "\nWhen {C} called them to supper, they were far away, at the other end of the world.",
        ],
        &[
            "\"What did you do all day?\" asked {C}. \"Nothing,\" said {A} and {B}, and they smiled at each other.",
            "\"Shall we go out tomorrow?\" asked {B}. \"Only if it does not rain,\" said {A}, \"or if it does.\"",
        ],
    ],
];
