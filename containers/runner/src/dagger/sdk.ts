/**
 * A client of the SDK for a session that is open already. It is put together from the SDK's own parts
 * as `connect()` does: the package's entry also loads a TypeScript compiler and an exporter of
 * telemetry, which would cost every attempt two seconds and 120 MB. The package is pinned.
 */
import type { Client, Context, ReturnType } from "@dagger.io/dagger";
import { z } from "zod";
import type { Session } from "./session.ts";

type ClientClass = typeof Client;
type ContextClass = typeof Context;
type Connection = NonNullable<ConstructorParameters<ContextClass>[1]>;
type GraphQLClient = ConstructorParameters<new (client: never) => Connection>[0];

const isFunction = (value: unknown) => typeof value === "function";
const apiSchema = z.object({
  Client: z.custom<ClientClass>(isFunction),
  ReturnType: z.custom<typeof ReturnType>((value) => typeof value === "object"),
});
const contextSchema = z.object({ Context: z.custom<ContextClass>(isFunction) });
const connectionSchema = z.object({
  Connection: z.custom<new (client: GraphQLClient) => Connection>(isFunction),
});
const clientSchema = z.object({
  createGQLClient: z.custom<(port: number, token: string) => GraphQLClient>(isFunction),
});

export interface Sdk {
  readonly ReturnType: typeof ReturnType;
  connect(session: Pick<Session, "port" | "token">): Client;
}

async function part(path: string): Promise<unknown> {
  const entry = import.meta.resolve("@dagger.io/dagger");
  return { ...(await import(new URL(path, entry).href)) };
}

export async function loadSdk(): Promise<Sdk> {
  const [api, context, connection, client] = await Promise.all([
    part("./api/client.gen.js"),
    part("./common/context.js"),
    part("./common/graphql/connection.js"),
    part("./common/graphql/client.js"),
  ]);
  const { Client, ReturnType } = apiSchema.parse(api);
  const { Context } = contextSchema.parse(context);
  const { Connection } = connectionSchema.parse(connection);
  const { createGQLClient } = clientSchema.parse(client);
  return {
    ReturnType,
    connect: ({ port, token }) =>
      new Client(new Context([], new Connection(createGQLClient(port, token)))),
  };
}
