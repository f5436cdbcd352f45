/** Words that say nothing of what a text is about, in the languages that visitors paste most. */
const english = `a about above after again against all also although always am among an and another any are as at away back be became
because become been before being below between both but by came can cannot come could did do does doing done down during each either
else enough even ever every few first for from further gave get give go goes going gone got had has have held having he her here hers him
himself his how however i if in instead into is it its itself just keep kept knew know last least less let like little long made make many
may me might more most much must my myself near need never new next no nor not nothing now of off often old on once one only onto or
other others our out over own part per perhaps put quite rather said same saw say see seen several shall she should since so some soon
still such take than that the their them then there these they thing things this those though three through thus time to together told
too took toward two under until up upon us use used very want was way we well went were what when where whether which while who whole
whom whose why will with within without would yet you your`;

const german = `aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin bis bist da dabei damit dann
das dass dem den denn der des dessen die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er
es etwas euch für gegen hat hatte hatten hier ich ihm ihn ihr ihre ihrem ihren im immer in ist ja jede jedem jeden jeder jetzt kann kein
keine können man mehr mein mich mir mit muss nach nicht nichts noch nun nur ob oder ohne schon sehr sein seine seinem seinen sich sie
sind so soll sondern um und uns unter viel vom von vor war waren was weil weiter wenn wer werden wie wieder will wir wird wo wurde
wurden zu zum zur zwischen über`;

export const stopWords: ReadonlySet<string> = new Set(`${english} ${german}`.split(/\s+/));
