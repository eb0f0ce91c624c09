// Package transform makes of an event what an Amazon EventBridge target would be
// sent: it is EventBridge's Input, InputPath and InputTransformer.
//
// A target is written as 'aws events put-targets' takes it:
//
//	{
//	  "Id": "mail",
//	  "InputTransformer": {
//	    "InputPathsMap": {"type": "$.detail.type", "severity": "$.detail.severity"},
//	    "InputTemplate": "{\"what\": <type>, \"text\": \"<type> of severity <severity>\"}"
//	  }
//	}
//
// [Parse] checks it and [Transformer.Apply] fills it in. What EventBridge would
// drop without a word is a [DropError] here, which names the placeholder and says
// what to write instead.
//
// # Paths
//
// A path is $ or begins with it: $.detail.instance-id, $.resources[0],
// $.detail.items[*].id, $.detail.*. InputPath takes bracketed names as well:
// $['detail']['a b']. A path with a wildcard gives an array of all it finds, in
// order, which is empty where nothing is behind the wildcard. Of two members of
// one name the last counts.
//
// AWS does not check paths when a target is made. Here one that is not understood
// is an [Error], since what AWS would find with it is not known.
//
// # Templates
//
// There are two kinds. A template that begins with a quotation mark is text: one or
// more quoted strings, each usually on a line of its own. They are delivered with
// their quotes and line breaks. Any other template is JSON in which <name> may
// stand for a value, or be part of a string; it is delivered without space around
// its values, with the order of its members and the spelling of its numbers kept.
//
//	value of <name>    in JSON, outside quotes   in JSON, inside quotes   in text
//	string             in quotes                 its text, not escaped    its text, not escaped
//	number, boolean    as it is                  as it is                 as it is
//	null               as it is                  as it is                 as it is
//	object, array      its JSON                  not delivered            its JSON without any quotation mark
//	not in the event   ""                        nothing                  nothing
//
// A value inside quotes is not escaped, since AWS does not. A quotation mark, a
// backslash or a line break in it can make the result something that is no JSON;
// then it is a [DropError]. It can also end the string and add members of its own
// to the result: use [Strict] where those who write names, tags and user agents
// are not trusted. An array without a string in it, such as [1,2], can be inside
// quotes and is delivered.
//
// These placeholders are always there:
//
//   - <aws.events.rule-arn> and <aws.events.rule-name>, strings
//   - <aws.events.event.ingestion-time>, a string such as 2026-03-01T12:00:00Z
//   - <aws.events.event>, the event without its detail, and with detail-type
//     called detailType
//   - <aws.events.event.json>, the whole event
//
// The last two are JSON. AWS allows them as values outside quotes only; elsewhere
// they are an [Error], unless in [Strict].
//
// # Strict
//
// With [Strict] the text of a value is escaped inside quotes, and an object or an
// array there is its JSON, escaped. A JSON template then always gives JSON, and a
// text template strings that are JSON each. All else is as with [AWS].
//
// # What is known of AWS, and what is not
//
// Strings, objects, arrays and missing values in the table, and the order of members
// in <aws.events.event>, are from recordings of AWS (those of the LocalStack
// project); the rest is from the AWS pages "Amazon EventBridge input
// transformation", PutTargets and InputTransformer. AWS says nothing or not enough
// of these, and so they are decisions of this package:
//
//   - Text without quotes is an [Error]. AWS refuses it if it begins with a word, and
//     takes it but seems to deliver nothing if it begins with a placeholder. The
//     example "<instance> is in state <status>" on AWS's own page is such a text.
//   - A template that begins with [ or is a single placeholder is JSON. One that is
//     no JSON whatever the values are is an [Error].
//   - null is a value like true.
//   - A string outside quotes is spelled as the event spells it, so it is always
//     valid.
//   - An InputPath that leads nowhere is a [DropError].
//   - Input and an event passed on whole lose the space around their values.
//   - A result larger than [MaxResult] is a [DropError].
//   - Bytes of an event that are not UTF-8 become U+FFFD.
//
// # Stability
//
// The names exported here are kept. With [AWS] this package does what EventBridge
// does: where that is found to be otherwise, the package follows, and the change log
// says so. Else what is accepted stays accepted and gives the same, with [Strict] to
// the byte. The words of errors may change; their types and fields do not.
package transform
