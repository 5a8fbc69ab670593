/** One valid request for every operation of the API. A route that is missing here fails the batteries. */
export interface Recipe {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, string>>;
  /** A body that is passed on unread. */
  readonly raw?: string;
  /** Fields of a form; one that begins with `@` is the file of that path in the repository. */
  readonly form?: Readonly<Record<string, string>>;
}

const GRAMMAR_FORM = {
  name: "manifest",
  extensions: "manifest",
  wasm: "@node_modules/tree-sitter-json/tree-sitter-json.wasm",
  tags: "(pair key: (_) @name) @definition.field",
};

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
  createPipeline: {
    body: {
      name: "two steps",
      description: "Makes a number and doubles it.",
      labels: { team: "alpha" },
      inputs: { type: "object", properties: { start: { type: "number" } } },
      tasks: [
        { name: "make", script: "export default () => 21" },
        {
          name: "double",
          needs: ["make"],
          script: "export default ({ value }) => value * 2",
          inputs: { value: "${{ tasks.make.result }}" },
        },
      ],
      outputs: { answer: "${{ tasks.double.result }}" },
      max_parallel: 2,
      extra_data: { origin: "test" },
    },
  },
  validatePipeline: { body: { name: "one", tasks: [{ name: "a", command: "true" }] } },
  listPipelines: { query: { limit: "5" } },
  getPipeline: {},
  patchPipeline: { body: { description: "Changed." } },
  deletePipeline: {},
  startPipeline: { body: { inputs: { start: 1 } } },
  executePipeline: { body: { inputs: { start: 1 } } },
  retryPipeline: { body: { dry_run: true } },
  pausePipeline: { body: { mode: "boundary" } },
  resumePipeline: {},
  cancelPipeline: {},
  approveRunStep: { body: { approved: true, comment: "fine" } },
  approveStep: { body: { approved: true, comment: "fine" } },
  signalRun: { body: { name: "go", payload: { value: 1 } } },
  signalPipeline: { body: { name: "go", payload: { value: 1 } } },
  bulkCancelPipelines: { query: { limit: "5", name: "no such pipeline" } },
  bulkRetryPipelines: { query: { limit: "5", name: "no such pipeline" } },
  listPipelineRuns: { query: { limit: "5" } },
  getPipelineRun: {},
  getRunGraph: {},
  explainRun: {},
  listRunSteps: { query: { limit: "5" } },
  getRunStep: {},
  streamRunEvents: {},
  readRunLogs: {},
  listRunArtifacts: { query: { limit: "5" } },
  downloadRunArtifact: { query: { step: "make", path: "out.txt" } },
  createCodebase: { body: { name: "acme/shop", description: "Sells.", labels: { team: "alpha" } } },
  listCodebases: { query: { limit: "5" } },
  getCodebase: {},
  updateCodebase: { body: { description: "Changed." } },
  deleteCodebase: {},
  pushManifest: {
    body: { files: [["a.txt", "ce013625030ba8dba906f756967f9e9ca394464a", 6]], ref: "main" },
  },
  pushBlobs: { raw: "an archive" },
  listMissingBlobs: {},
  pushArchive: { query: { ref: "main" }, raw: "an archive" },
  importCodebase: { body: { ref: "main" } },
  listSnapshots: { query: { limit: "5" } },
  getSnapshot: {},
  deleteSnapshot: {},
  streamCodebaseEvents: { query: { snapshot: "1" } },
  listFiles: { query: { folder: "src", limit: "5" } },
  getFileContent: {},
  getTree: { query: { path: "src" } },
  listSymbols: { query: { prefix: "hel", kind: "function" } },
  getOutline: { query: { path: "src/a.txt" } },
  listReferences: { query: { symbol: "hello", kind: "call" } },
  listImports: { query: { path: "src/a.txt", direction: "both" } },
  getMap: { query: { max_tokens: "500", mention: "hello" } },
  diffSnapshots: { query: { patch: "true" } },
  searchCodebases: { query: { q: "hello repo:shop", codebases: "5" } },
  searchCodebase: { query: { q: "hello lang:typescript" } },
  createGrammar: { form: GRAMMAR_FORM },
  listGrammars: { query: { limit: "5" } },
  getGrammar: {},
  replaceGrammar: { form: { ...GRAMMAR_FORM, extensions: "manifest2" } },
  deleteGrammar: {},
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
  createRunner: { body: { name: "builder" } },
  listRunners: { query: { limit: "5" } },
  getRunner: {},
  revokeRunner: {},
  registerRunner: {
    body: { token: `plzr_${"A".repeat(43)}`, public_key: "A".repeat(43), name: "host-1" },
  },
  listDeadLetters: { query: { limit: "5", status: "open" } },
  getDeadLetter: {},
  deleteDeadLetter: {},
  redriveDeadLetters: { body: { resource_id: "no-such-task" } },
  connectRunner: {},
  exchangeRunnerFrames: { body: { session: "session-1", frames: [], wait_ms: 0 } },
  readRunnerBlob: { query: { attempt: "a/1/0", epoch: "1", key: "work/files.json" } },
  keepRunnerArtifact: { query: { attempt: "a/1/0", epoch: "1", path: "out.txt" } },
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
