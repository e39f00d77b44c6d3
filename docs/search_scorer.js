// Order of what a search finds: the numbers of Sphinx, and of two equal names the one with the shorter path first.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([, , anchor, , score]) => score - anchor.split(".").length / 10,
};
