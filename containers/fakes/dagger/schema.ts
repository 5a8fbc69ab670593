/** The part of the engine's schema that this fake serves. Anything else is an unknown field. */
export const SCHEMA = /* GraphQL */ `
scalar Platform
scalar Void

enum ReturnType { SUCCESS FAILURE ANY }
enum CacheSharingMode { SHARED PRIVATE LOCKED }

interface Node { id: ID! }

type Query {
  node(id: ID!): Node!
  version: String!
  defaultPlatform: Platform!
  container(platform: Platform): Container!
  directory: Directory!
  file(name: String!, contents: String!, permissions: Int = 420): File!
  host: Host!
  engine: Engine!
  cacheVolume(key: String!, source: ID, sharing: CacheSharingMode = SHARED, owner: String = ""): CacheVolume!
  setSecret(name: String!, plaintext: String!): Secret!
  secret(uri: String!, cacheKey: String): Secret!
}

type Container implements Node {
  id: ID!
  sync: ID!
  from(address: String!): Container!
  platform: Platform!
  user: String!
  workdir: String!
  imageRef: String!
  entrypoint: [String!]!
  defaultArgs: [String!]!
  envVariable(name: String!): String
  exitCode: Int!
  stdout: String!
  stderr: String!
  combinedOutput: String!
  file(path: String!, expand: Boolean = false): File!
  directory(path: String!, expand: Boolean = false): Directory!
  withExec(
    args: [String!]!, useEntrypoint: Boolean = false, stdin: String = "", redirectStdin: String = "",
    redirectStdout: String = "", redirectStderr: String = "", expect: ReturnType = SUCCESS,
    expand: Boolean = false, noInit: Boolean = false, insecureRootCapabilities: Boolean = false
  ): Container!
  withWorkdir(path: String!, expand: Boolean = false): Container!
  withoutWorkdir: Container!
  withUser(name: String!): Container!
  withoutUser: Container!
  withEnvVariable(name: String!, value: String!, expand: Boolean = false): Container!
  withoutEnvVariable(name: String!): Container!
  withVolatileVariable(name: String!, value: String!): Container!
  withoutVolatileVariable(name: String!): Container!
  withSecretVariable(name: String!, secret: ID!): Container!
  withoutSecretVariable(name: String!): Container!
  withEntrypoint(args: [String!]!, keepDefaultArgs: Boolean = false): Container!
  withoutEntrypoint(keepDefaultArgs: Boolean = false): Container!
  withDefaultArgs(args: [String!]!): Container!
  withRegistryAuth(address: String!, username: String!, secret: ID!): Container!
  withoutRegistryAuth(address: String!): Container!
  withNewFile(path: String!, contents: String!, permissions: Int = 420, owner: String = "", expand: Boolean = false): Container!
  withFile(path: String!, source: ID!, permissions: Int, owner: String = "", expand: Boolean = false): Container!
  withoutFile(path: String!, expand: Boolean = false): Container!
  withDirectory(path: String!, source: ID!, include: [String!] = [], exclude: [String!] = [], owner: String = "", expand: Boolean = false): Container!
  withoutDirectory(path: String!, expand: Boolean = false): Container!
  withMountedDirectory(path: String!, source: ID!, owner: String = "", readOnly: Boolean = false, expand: Boolean = false): Container!
  withMountedFile(path: String!, source: ID!, owner: String = "", expand: Boolean = false): Container!
  withMountedCache(path: String!, cache: ID!, source: ID, sharing: CacheSharingMode, owner: String = "", expand: Boolean = false): Container!
  withMountedTemp(path: String!, size: Int, expand: Boolean = false): Container!
  withMountedSecret(path: String!, source: ID!, owner: String = "", mode: Int = 256, expand: Boolean = false): Container!
  withoutMount(path: String!, expand: Boolean = false): Container!
}

type Directory implements Node {
  id: ID!
  sync: ID!
  entries(path: String): [String!]!
  glob(pattern: String!): [String!]!
  digest: String!
  export(path: String!, wipe: Boolean = false): String!
  file(path: String!): File!
  directory(path: String!): Directory!
  withNewFile(path: String!, contents: String!, permissions: Int = 420): Directory!
  withFile(path: String!, source: ID!, permissions: Int, owner: String = ""): Directory!
  withoutFile(path: String!): Directory!
  withNewDirectory(path: String!, permissions: Int = 493): Directory!
  withDirectory(path: String!, source: ID!, include: [String!] = [], exclude: [String!] = [], owner: String = "", permissions: Int): Directory!
  withoutDirectory(path: String!): Directory!
}

type File implements Node {
  id: ID!
  sync: ID!
  name: String!
  size: Int!
  contents(offsetLines: Int, limitLines: Int): String!
  export(path: String!, allowParentDirPath: Boolean = false): String!
}

type Host implements Node {
  id: ID!
  directory(path: String!, include: [String!] = [], exclude: [String!] = [], noCache: Boolean = false): Directory!
  file(path: String!, noCache: Boolean = false): File!
}

type CacheVolume implements Node { id: ID! }
type Secret implements Node { id: ID! name: String! uri: String! plaintext: String! }
type Engine implements Node { id: ID! name: String! localCache: EngineCache! }
type EngineCache implements Node {
  id: ID!
  prune(useDefaultPolicy: Boolean = false, maxUsedSpace: String = "", reservedSpace: String = "", minFreeSpace: String = "", targetSpace: String = ""): Void
}
`;
