/** One valid request for every operation of the API. A route that is missing here fails the batteries. */
export interface Recipe {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, string>>;
}

/** By operationId. */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  getHealth: {},
  getReadiness: {},
  getMetrics: {},
  getOpenApi: {},
  getService: {},
  getDocs: {},
  createTask: {
    body: {
      name: "echo",
      description: "Says what it was given.",
      script: "export default (input) => input",
      language: "javascript",
      inputs: { greeting: "hello", numbers: [1, 2.5, -3], nested: { deep: [null, true] } },
      environment: { GREETING: "hello" },
      labels: { team: "alpha" },
      timeout_seconds: 5,
      retry: { max_attempts: 2, backoff: "fixed", initial_seconds: 0, jitter: false },
      files: { "data/words.txt": "one\ntwo\n", "raw.bin": { content: "AAE=", encoding: "base64" } },
      artifacts: ["data/*.txt"],
      extra_data: { origin: "test" },
    },
  },
  listTasks: { query: { limit: "5" } },
  getTask: {},
  patchTask: { body: { description: "Changed." } },
  deleteTask: {},
  executeTask: {},
  retryTask: {},
  cancelTask: {},
  listTaskAttempts: {},
  explainTask: {},
  listTaskArtifacts: {},
  downloadTaskArtifact: { query: { path: "data/words.txt" } },
  streamTaskEvents: {},
  readTaskLogs: {},
  createKey: { body: { name: "reader", scopes: ["tasks:read"], expires_in_seconds: 3600 } },
  listKeys: { query: { limit: "5" } },
  getKey: {},
  revokeKey: {},
  createSecret: { body: { name: "TOKEN", value: "a value that nobody sees" } },
  listSecrets: { query: { limit: "5" } },
  rotateSecrets: {},
  getSecret: {},
  updateSecret: { body: { value: "another value that nobody sees" } },
  deleteSecret: {},
};

export function recipeOf(operationId: string): Recipe {
  const recipe = RECIPES[operationId];
  if (!recipe) {
    throw new Error(
      `The operation "${operationId}" has no valid request in workers/test/requests.ts; add one.`,
    );
  }
  return recipe;
}
