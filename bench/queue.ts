/**
 * The yardstick of dispatches: how long a queue takes to deliver a message to a consumer that does
 * nothing. `POST /` sends one, `GET /` tells the delays of those that came, in ms.
 */
interface Bindings {
  readonly BARE: Queue<number>;
}

const delays: number[] = [];

export default {
  async fetch(request: Request, { BARE }: Bindings): Promise<Response> {
    if (request.method === "POST") await BARE.send(Date.now(), { contentType: "json" });
    return Response.json(delays);
  },

  queue({ messages }: MessageBatch<number>): void {
    for (const { body } of messages) delays.push(Date.now() - body);
  },
};
