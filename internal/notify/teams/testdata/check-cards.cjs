// Reads the golden files with Microsoft's own parser of Adaptive Cards and says
// what it finds wrong. Not part of the test suite, which needs no node:
//
//	npm install --prefix /tmp/cards adaptivecards@3.0.6
//	NODE_PATH=/tmp/cards/node_modules node testdata/check-cards.cjs testdata/golden
const fs = require("fs");
const path = require("path");
const cards = require("adaptivecards/dist/adaptivecards.js");

function findings(card) {
  const context = new cards.SerializationContext(cards.Versions.v1_5);
  const parsed = new cards.AdaptiveCard();
  parsed.parse(card, context);
  const found = parsed.validateProperties().validationEvents.map((e) => e.message);
  for (let i = 0; i < context.eventCount; i++) found.push(context.getEventAt(i).message);
  return found;
}

const dir = process.argv[2];
let wrong = 0;
const files = fs.readdirSync(dir);
for (const file of files) {
  const message = JSON.parse(fs.readFileSync(path.join(dir, file)));
  const found = message.attachments.flatMap((a) => findings(a.content));
  if (found.length > 0) {
    wrong++;
    console.log(file, found);
  }
}
console.log(`${files.length} cards, ${wrong} with findings`);
process.exit(wrong || files.length === 0 ? 1 : 0);
