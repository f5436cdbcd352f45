/** A text for visitors who have none at hand. */
export const sampleText =
  `A lighthouse keeper's day was written down twice. Once in the log, a bound book with numbered pages that stayed in the
tower, and once in a letter that went to the mainland whenever a boat could land. The log was for the keeper: if he fell ill in the
middle of the night, his assistant could read the last line and go on from there. The letter was for everyone else.

In calm weather the difference hardly mattered. A boat came every few days, took the letters, and the office in the harbour knew what
the tower knew. In winter no boat could land for weeks. The keeper went on writing in the log as if nothing had happened, because for the
log nothing had: ink dries without a boat. When the sea was quiet again, all the letters of those weeks went over together, in one bag.

Sometimes a letter was lost. The boat had taken it, but no receipt came back, and the keeper could not know whether the bag lay on the
harbour office's table or on the bottom of the sea. A careless keeper sent everything again, and the office then had two storms in its
books where there had been one. A careful keeper numbered his letters. The office wrote down each number once, put doubles aside, and
nobody counted a storm twice.

There was also the question of who wrote. A tower had two keepers and one log. They agreed early that whoever held the watch held the
pen, and that the watch was handed over at the lamp, never on the stairs. When one of them slept through the bell, the other noticed,
because the last line was too old, and took the pen without waiting.

The lamps are automatic now, and the logs are in archives. But the rule is as good as it was: write it down where you are before you tell
anyone, number what you send, and let one hand at a time hold the pen.`.replace(/([^\n])\n([^\n])/g, '$1 $2');
