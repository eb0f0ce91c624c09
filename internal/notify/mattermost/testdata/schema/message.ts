import type { PostAction } from '@mattermost/types/integration_actions';
import type { MessageAttachment } from '@mattermost/types/message_attachments';
import type { Post } from '@mattermost/types/posts';

/** A button with where it leads, which the server tells nobody and so is not among its clients' types. */
export interface Action extends PostAction {
  id: string;
  type: 'button';
  style?: 'default' | 'primary' | 'success' | 'good' | 'warning' | 'danger';
  integration: { url: string; context?: Record<string, string | number> };
}

export interface Attachment extends Omit<MessageAttachment, 'actions'> {
  actions?: Action[];
}

export interface Props {
  attachments?: Attachment[];
}

/** What POST /api/v4/posts takes, as far as we use it. */
export type Create = Pick<Post, 'channel_id' | 'message'> & Partial<Pick<Post, 'root_id' | 'pending_post_id'>> & { props?: Props };

/** What PUT /api/v4/posts/{id}/patch takes, as far as we use it. */
export type Patch = Pick<Post, 'message'> & { props: Props };

/** What an incoming webhook takes, as far as we use it. */
export interface Webhook {
  text: string;
  attachments?: Attachment[];
}
