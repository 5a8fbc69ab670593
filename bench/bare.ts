/** The yardstick: a Hono route that does nothing, in the same runtime as the service. */
import { Hono } from "hono";

export default new Hono().get("/", (c) => c.json({ status: "ok" }));
