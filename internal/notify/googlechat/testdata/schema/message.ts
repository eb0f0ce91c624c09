import type { chat_v1 } from '@googleapis/chat';

/** What spaces.messages.create takes, as far as we use it. */
export type Message = Pick<chat_v1.Schema$Message, 'text' | 'fallbackText' | 'cardsV2' | 'thread'>;
