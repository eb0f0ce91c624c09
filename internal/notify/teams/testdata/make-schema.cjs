// Makes card.schema.json of what Microsoft's own library of Adaptive Cards says of
// itself: each class knows its properties, their kinds, their values, and the
// version of Adaptive Cards that they came with.
//
//	npm install --prefix /tmp/cards adaptivecards@3.0.6
//	NODE_PATH=/tmp/cards/node_modules node testdata/make-schema.cjs > testdata/card.schema.json
const cards = require("adaptivecards/dist/adaptivecards.js");

const version = cards.Versions.v1_5;

// The classes that we use, and what they contain: the library reads that in code.
const classes = {
  AdaptiveCard: { required: ["type", "version", "body"], more: { body: list("TextBlock", "FactSet", "ActionSet"), $schema: { type: "string" }, version: { const: "1.5" } } },
  TextBlock: { required: ["type", "text"] },
  FactSet: { required: ["type", "facts"] },
  Fact: { required: ["title", "value"] },
  ActionSet: { required: ["type", "actions"], more: { actions: list("OpenUrlAction") } },
  OpenUrlAction: { required: ["type", "url"] },
};

function ref(name) {
  return { $ref: `#/definitions/${name}` };
}

function list(...names) {
  return { type: "array", minItems: 1, items: names.length === 1 ? ref(names[0]) : { oneOf: names.map(ref) } };
}

// known are the values that the wanted version has.
function known(property) {
  return property.values.filter((v) => !v.targetVersion || v.targetVersion.compareTo(version) <= 0).map((v) => v.value);
}

// spellings are how a name may be written: "Small" and "small".
function spellings(name) {
  return [name, name[0].toLowerCase() + name.slice(1)];
}

function schemaOf(property) {
  switch (property.constructor.name) {
    case "StringProperty":
      return { type: "string" };
    case "BoolProperty":
      return { type: "boolean" };
    case "NumProperty":
      return { type: "number" };
    case "EnumProperty":
      return { enum: known(property).flatMap((v) => spellings(property.enumType[v])) };
    case "ValueSetProperty":
    case "ContainerStyleProperty":
      return { enum: known(property) };
    case "SerializableObjectCollectionProperty":
      return property.objectType.name in classes ? list(property.objectType.name) : undefined;
  }
  return undefined; // a kind that we do not use
}

const definitions = {};
for (const [name, { required, more }] of Object.entries(classes)) {
  const one = new cards[name]();
  const all = one.getSchema();
  const properties = {};
  for (let i = 0; i < all.getCount(); i++) {
    const property = all.getItemAt(i);
    const schema = property.targetVersion.compareTo(version) <= 0 ? schemaOf(property) : undefined;
    if (schema) properties[property.name] = schema;
  }
  if (properties.type) properties.type = { const: one.getJsonTypeName() };
  definitions[name] = { type: "object", properties: { ...properties, ...more }, required, additionalProperties: false };
}
console.log(JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", ...ref("AdaptiveCard"), definitions }, null, 2));
