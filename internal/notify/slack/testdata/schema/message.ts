import type { KnownBlock, MessageAttachment, MessageMetadata } from '@slack/types';

/** An attachment whose blocks are all known ones. */
export interface Attachment extends Omit<MessageAttachment, 'blocks' | 'color'> {
  color?: string;
  blocks?: KnownBlock[];
}

/** What chat.postMessage, chat.update and incoming webhooks take, as far as we use it. */
export interface Message {
  channel?: string;
  ts?: string;
  thread_ts?: string;
  reply_broadcast?: boolean;
  text: string;
  unfurl_links?: boolean;
  unfurl_media?: boolean;
  blocks?: KnownBlock[];
  attachments?: Attachment[];
  metadata?: MessageMetadata;
}
