/** What an agent says of itself, served as `/.well-known/agent.json`. Open: whatever else a card holds is served as given. */
export interface AgentCard {
  [key: string]: unknown;
  name: string;
  description?: string | undefined;
  /** Where the agent is reached. */
  url: string;
  version: string;
  capabilities: {
    [key: string]: unknown;
    /** Whether `tasks/sendSubscribe` and `tasks/resubscribe` are offered. @default true */
    streaming?: boolean | undefined;
    /** Whether callers may leave a push configuration with a task. @default false */
    pushNotifications?: boolean | undefined;
  };
  skills: readonly { [key: string]: unknown; id: string; name: string; description?: string | undefined }[];
}
