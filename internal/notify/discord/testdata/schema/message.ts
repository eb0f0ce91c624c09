import type { RESTPatchAPIWebhookWithTokenMessageJSONBody, RESTPostAPIWebhookWithTokenJSONBody } from 'discord-api-types/v10';

type Used = 'content' | 'embeds' | 'allowed_mentions';
type Editable<T extends RESTPatchAPIWebhookWithTokenMessageJSONBody> = T;

/** What executing a webhook takes, as far as we use it. */
export type Execute = Pick<RESTPostAPIWebhookWithTokenJSONBody, Used>;

/** What editing a webhook's message takes, as far as we use it; the compiler holds it against Discord's type. */
export type Edit = Editable<{ [K in Used]?: RESTPostAPIWebhookWithTokenJSONBody[K] | null }>;
