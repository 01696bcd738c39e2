// The walk with the types of openapi-typescript and the client of openapi-fetch.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";
import { setting, walk, type Filters, type NewStudent, type School } from "./walk";

type Student = components["schemas"]["StudentRead"];
type Patch = components["schemas"]["StudentPatch"];

const client = createClient<paths>({ baseUrl: setting("SCHOOL_URL") });

function mathOf(student: Student | undefined): number | null {
  return student?.marks["math"] ?? null;
}

const school: School = {
  async signIn(username: string, password: string) {
    const { data } = await client.POST("/login", {
      body: { username, password },
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      bodySerializer: (form) => new URLSearchParams({ username: form.username, password: form.password }),
    });
    client.use({
      onRequest({ request }) {
        request.headers.set("Authorization", `Bearer ${data?.access_token}`);
      },
    });
  },
  async create(student: NewStudent) {
    const { data, response } = await client.POST("/students", { body: student });
    return { status: response.status, told: mathOf(data) };
  },
  async page(filters: Filters) {
    const { data, response } = await client.GET("/students", { params: { query: filters } });
    return { rollNumbers: (data ?? []).map((student) => student.roll_no), link: response.headers.get("Link") };
  },
  async etag(rollNo: string) {
    const { response } = await client.GET("/students/{roll_no}", { params: { path: { roll_no: rollNo } } });
    return response.headers.get("ETag") ?? "";
  },
  async setName(rollNo: string, name: string, etag: string) {
    const body: Patch = { name };
    const params = { path: { roll_no: rollNo }, header: { "If-Match": etag } };
    const { data, response } = await client.PATCH("/students/{roll_no}", { params, body });
    return { status: response.status, told: data?.name ?? null };
  },
  async upload(content: string) {
    const { data, error, response } = await client.POST("/imports/upload", {
      body: { file: content },
      bodySerializer: (form) => {
        const sent = new FormData();
        sent.append("file", new Blob([form.file]), "class.csv");
        return sent;
      },
    });
    const code = error && "errors" in error ? error.errors?.map((one) => ("code" in one ? one.code : ""))[0] : undefined;
    return { status: response.status, told: data?.created ?? code ?? null };
  },
};

void walk(school);
