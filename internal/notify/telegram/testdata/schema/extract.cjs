// Writes args.ts: an interface for the arguments of each method that is used, cut out of
// @grammyjs/types, which has them inside its ApiMethods only.
const fs = require("fs");
const text = fs.readFileSync("node_modules/@grammyjs/types/methods.d.ts", "utf8");
const methods = ["sendMessage", "editMessageText", "answerCallbackQuery", "getUpdates", "setWebhook"];
const out = [
  'import type { EphemeralMessageParameters, LinkPreviewOptions, MessageEntity, ParseMode, ReplyParameters, SuggestedPostParameters } from "@grammyjs/types/message.js";',
  'import type { ForceReply, InlineKeyboardMarkup, ReplyKeyboardMarkup, ReplyKeyboardRemove } from "@grammyjs/types/markup.js";',
];
for (const m of methods) {
  const [, args] = text.match(new RegExp(`\\n    ${m}\\(args\\??: \\{\\n([\\s\\S]*?)\\n    \\}\\)`));
  const kept = args
    .replace(/^\s*(certificate|rich_message)\?:.*$/gm, "") // not used
    .replace('Exclude<keyof Update, "update_id">', "string");
  out.push(`export interface ${m[0].toUpperCase()}${m.slice(1)} {\n${kept}\n}`);
}
out.push(`export interface Calls { ${methods.map((m) => `${m}: ${m[0].toUpperCase()}${m.slice(1)}`).join("; ")} }`);
fs.writeFileSync("args.ts", out.join("\n") + "\n");
