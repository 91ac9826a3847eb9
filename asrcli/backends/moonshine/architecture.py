"""Moonshine's encoder and decoder as graphs, out of its weights.

Architecture: Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024): three
convolutions over raw samples, a transformer encoder, a transformer decoder with a gated feed-forward, rotary positions
throughout.
"""

import numpy as np

from asrcli.backends.moonshine.cross_attention import SoundAttention, cross_ports
from asrcli.backends.moonshine.graph import LayerWriter, block_products_are_stable
from asrcli.backends.moonshine.sizes import END, STRIDES, Geometry
from asrcli.backends.moonshine.weights import Array, Quantised, UnknownGraphError, Weights
from asrcli.storage.onnx_graph import FLOAT, INT64, MICROSOFT, Port

#: How much more likely the end must be than any first token, as the logarithm of their ratio. The model also ends at
#: once where there is speech (base-en for "It was the best of times": 3.0), but is sure of noise (hum 6.2, others 8).
_CERTAINTY = 4.5
_LONGEST = 3000  # frames that rotary positions are made for: 72 s

_SELF = ("self_attn/q_proj", "self_attn/k_proj", "self_attn/v_proj")


def geometry(decoder: Weights) -> Geometry:
    """Sizes, read off the shapes of the decoder's caches. Raises UnknownGraphError: it has none."""
    shape = decoder.shapes.get("past_key_values.0.decoder.key", [])
    if len(shape) != 4 or shape[1] is None or shape[3] is None:
        raise UnknownGraphError("no cache of keys")
    layers = sum(name.startswith("past_key_values.") for name in decoder.shapes) // 4
    return Geometry(layers, shape[1], shape[3])


class _Attention:
    """What attention of both halves has in common."""

    def __init__(self, graph: LayerWriter, sizes: Geometry, frequencies: Array) -> None:
        self._graph = graph
        self._sizes = sizes
        angles = np.arange(_LONGEST, dtype=np.float32)[:, None] * frequencies.reshape(1, -1)
        self._turned = 2 * angles.shape[1]
        self._cos = graph.constant("cos", np.cos(angles))
        self._sin = graph.constant("sin", np.sin(angles))

    def rotate(self, value: str, positions: str) -> str:
        return self._graph.add(
            "RotaryEmbedding",
            *(value, positions, self._cos, self._sin),
            domain=MICROSOFT,
            interleaved=1,
            rotary_embedding_dim=self._turned,
            num_heads=self._sizes.heads,
        )

    def attend(self, outputs: int, *inputs: str) -> list[str]:
        """Queries (batch, time, width), keys and values, and what else the operator takes; keys turned."""
        return self._graph.add_split(
            "MultiHeadAttention",
            outputs,
            *inputs,
            domain=MICROSOFT,
            num_heads=self._sizes.heads,
            scale=self._sizes.head**-0.5,
        )


def encoder_graph(weights: Weights, sizes: Geometry) -> bytes:
    """From samples (1, n) to frames (1, about n / 384, width). One chunk at a time: a batch gains nothing here. Raises
    UnknownGraphError: the weights are not those of a quantised Moonshine.
    """
    writer = _EncoderWriter(weights, sizes)
    frames: Port = ("frames", FLOAT, ("batch", "time", sizes.width))
    return writer.graph.model([("samples", FLOAT, ("batch", "length"))], [frames], {"frames": writer.write()})


class _EncoderWriter:
    def __init__(self, weights: Weights, sizes: Geometry) -> None:
        self.graph = LayerWriter()
        self._weights = weights
        self._sizes = sizes
        self._attention = _Attention(self.graph, sizes, weights.frequencies("rotary_emb"))

    def write(self) -> str:
        """The value of the frames."""
        value = self._convolutions()
        positions = self._positions(value)
        for layer in range(self._weights.layers):
            value = self.graph.add("Add", value, self._hear_itself(value, positions, f"layers.{layer}"))
            value = self.graph.add("Add", value, self._feed_forward(value, f"layers.{layer}"))
        return self.graph.norm(value, "norm", self._weights.parameter("layer_norm.weight"))

    def _convolutions(self) -> str:
        graph, weights = self.graph, self._weights
        value = graph.add("Unsqueeze", "samples", graph.constant("second axis", np.array([1])))
        value = graph.add("Tanh", self._convolve(value, 1))
        # Group normalisation with one group: over everything that there is of a chunk.
        whole = graph.add("Reshape", value, graph.constant("whole", np.array([0, 1, -1])))
        unit = graph.constant("unit", np.ones(1, np.float32)), graph.constant("nothing", np.zeros(1, np.float32))
        normal = graph.add("InstanceNormalization", whole, *unit, epsilon=1e-5)
        normal = graph.add("Reshape", normal, graph.add("Shape", value))
        scale = graph.constant("group scale", weights.operand("/groupnorm/Mul", 1))
        shift = graph.constant("group shift", weights.operand("/groupnorm/Add", 1))
        value = graph.add("Add", graph.add("Mul", normal, scale), shift)
        for number in (2, 3):
            value = graph.add("Gelu", self._convolve(value, number), domain=MICROSOFT)
        return graph.add("Transpose", value, perm=[0, 2, 1])

    def _convolve(self, value: str, number: int) -> str:
        weight = self._weights.parameter(f"conv{number}.weight")
        inputs = [value, self.graph.constant(f"conv{number}", weight)]
        if number > 1:
            bias = self._weights.parameter(f"conv{number}.bias")
            inputs.append(self.graph.constant(f"conv{number}.bias", bias))
        return self.graph.add("Conv", *inputs, strides=[STRIDES[number - 1]], kernel_shape=[weight.shape[2]])

    def _positions(self, value: str) -> str:
        """(1, time): 0, 1, 2, ..."""
        graph = self.graph
        one, two = graph.constant("one index", np.array([1])), graph.constant("two index", np.array([2]))
        length = graph.add("Squeeze", graph.add("Slice", graph.add("Shape", value), one, two))
        first, step = graph.constant("first", np.int64(0)), graph.constant("step", np.int64(1))
        return graph.add(
            "Unsqueeze", graph.add("Range", first, length, step), graph.constant("first axis", np.array([0]))
        )

    def _hear_itself(self, value: str, positions: str, path: str) -> str:
        graph, attention = self.graph, self._attention
        normal = graph.norm(value, f"{path}.before", self._weights.parameter(f"{path}.input_layernorm.weight"))
        joined = graph.linear(normal, f"{path}.qkv", [self._weights.product(f"{path}/{name}") for name in _SELF])
        queries, keys, values = graph.add_split("Split", 3, joined, axis=-1, num_outputs=3)
        queries, keys = attention.rotate(queries, positions), attention.rotate(keys, positions)
        (mixed,) = attention.attend(1, queries, keys, values)
        return graph.linear(mixed, f"{path}.out", [self._weights.product(f"{path}/self_attn/o_proj")])

    def _feed_forward(self, value: str, path: str) -> str:
        weight = self._weights.parameter(f"{path}.post_attention_layernorm.weight")
        wide = self._linear(self.graph.norm(value, f"{path}.between", weight), path, "fc1")
        return self._linear(self.graph.add("Gelu", wide, domain=MICROSOFT), path, "fc2")

    def _linear(self, value: str, path: str, name: str) -> str:
        product = self._weights.product(f"{path}/mlp/{name}")
        return self.graph.linear(value, f"{path}.{name}", [product], self._weights.parameter(f"{path}.mlp.{name}.bias"))


def decoder_graph(weights: Weights, sizes: Geometry) -> bytes:
    """One step of several sequences that are equally far: the last token of each to the next of each.

    Inputs: `token` and `position` (batch, 1); `mask` (batch, 1, 1, frames), zero or minus much; `past.*`, empty at
    first, and `cross.*`, in the form that `cross_graph` gives. Outputs: `next` (batch, 1), its `probability`
    (batch, 1, 1), `present.*`, and `queries` (batch, 1, width) of the heads that follow the speech, side by side, where
    there are such.
    """
    writer = _DecoderWriter(weights, sizes)
    inputs: list[Port] = [
        ("token", INT64, ("batch", 1)),
        ("position", INT64, ("batch", 1)),
        ("mask", FLOAT, ("batch", 1, 1, "frames")),
    ]
    inputs += [(name, FLOAT, shape) for name, shape in sizes.caches("past").items()]
    inputs += cross_ports(sizes)
    following, made = writer.write()
    outputs: list[Port] = [("next", INT64, ("batch", 1)), ("probability", FLOAT, ("batch", 1, 1))]
    outputs += [(name, FLOAT, shape) for name, shape in sizes.caches("present").items()]
    if sizes.following:
        outputs.append(("queries", FLOAT, ("batch", 1, len(sizes.following) * sizes.head)))
    return writer.graph.model(inputs, outputs, {"next": following, **made})


class _DecoderWriter:
    def __init__(self, weights: Weights, sizes: Geometry) -> None:
        self.graph = LayerWriter()
        self._weights = weights
        self._sizes = sizes
        self._attention = _Attention(self.graph, sizes, weights.frequencies("model/decoder/rotary_emb"))
        self._sound = SoundAttention(self.graph, sizes)
        self._made: dict[str, str] = {}
        self._queries: list[str] = []

    def write(self) -> tuple[str, dict[str, str]]:
        """The value of the next tokens, and of the other outputs by name."""
        graph = self.graph
        table = self._weights.table("model.decoder.embed_tokens.weight")
        scale = graph.constant("table.scale", table.scale, np.float32)
        zero = graph.constant("table.zero", table.zero, np.uint8)
        value = graph.add("DequantizeLinear", self._row(table), scale, zero)
        for layer in range(self._sizes.layers):
            for part in (self._hear_itself, self._hear_speech, self._feed_forward):
                value = graph.add("Add", value, part(value, layer))
        value = graph.norm(value, "norm", self._weights.parameter("model.decoder.norm.weight"))
        if self._queries:
            self._made["queries"] = graph.add("Concat", *self._queries, axis=-1)
        scores, scale = self._scores(value)
        following = graph.add("ArgMax", scores, axis=-1, keepdims=0)
        probabilities = graph.add("Softmax", graph.add("Mul", scores, scale) if scale else scores, axis=-1)
        chosen = graph.add("Unsqueeze", following, graph.constant("last axis", np.array([-1])))
        self._made["probability"] = graph.add("GatherElements", probabilities, chosen, axis=-1)
        return following, self._made

    def _row(self, table: Quantised) -> str:
        """Of each token in the table of all tokens, (batch, 1, width)."""
        graph = self.graph
        vocabulary = self._weights.product("proj_out")
        if not block_products_are_stable() or not np.array_equal(table.values, vocabulary.values.T):
            return graph.add("Gather", graph.constant("table", table.values), "token", axis=0)
        # The columns of the last product are the same numbers: held once, in its form.
        blocks = graph.add("Gather", graph.columns_in_blocks("vocabulary", [vocabulary]), "token", axis=0)
        row = graph.add("Reshape", blocks, graph.constant("one row", np.array([0, 0, -1])))
        width = graph.constant("width", np.array([self._sizes.width]))
        return graph.add(
            "Slice",
            row,
            graph.constant("first column", np.array([0])),
            width,
            graph.constant("last axis", np.array([-1])),
        )

    def _scores(self, value: str) -> tuple[str, str]:
        """A number for each token, and what multiplies those of a row ("": nothing does): it is positive, and does not
        change which is the greatest. The end of the text gets less at the first position.
        """
        graph = self.graph
        vocabulary = self._weights.product("proj_out")
        less = np.zeros(vocabulary.values.shape[1], np.float32)
        less[END] = _CERTAINTY
        first = graph.add("Cast", graph.add("Equal", "position", graph.constant("no position", np.int64(0))), to=FLOAT)
        if block_products_are_stable():  # all are equally far
            any_row = graph.add("ReduceMax", first, keepdims=0)
            bias = graph.add("Mul", any_row, graph.constant("vocabulary.less", -less))
            return graph.linear_in_blocks(value, "vocabulary", [vocabulary], bias), ""
        rows = graph.quantise_rows(value)
        first = graph.add("Unsqueeze", first, graph.constant("inner axis", np.array([2])))
        scores = graph.linear_by_row(rows, "vocabulary", [vocabulary], (graph.add("Div", first, rows[1]), less))
        return scores, rows[1]

    def _hear_itself(self, value: str, layer: int) -> str:
        graph, attention = self.graph, self._attention
        normal = self._norm(value, layer, "input_layernorm")
        products = self._linear(normal, layer, *_SELF)
        queries, keys, values = graph.add_split("Split", 3, products, axis=-1, num_outputs=3)
        queries, keys = attention.rotate(queries, "position"), attention.rotate(keys, "position")
        past = (f"past.{layer}.key", f"past.{layer}.value")
        mixed, keys, values = attention.attend(3, queries, keys, values, "", "", "", *past)
        self._made |= {f"present.{layer}.key": keys, f"present.{layer}.value": values}
        return self._linear(mixed, layer, "self_attn/o_proj")

    def _hear_speech(self, value: str, layer: int) -> str:
        normal = self._norm(value, layer, "post_attention_layernorm")
        queries = self._linear(normal, layer, "encoder_attn/q_proj")
        for head in self._sizes.following:
            if head.layer == layer:
                self._queries.append(self._of_head(queries, head.number))
        return self._linear(self._sound.attend(queries, layer), layer, "encoder_attn/o_proj")

    def _of_head(self, queries: str, number: int) -> str:
        graph, size = self.graph, self._sizes.head
        low = graph.constant(f"head {number}", np.array([number * size]))
        high = graph.constant(f"behind head {number}", np.array([(number + 1) * size]))
        return graph.add("Slice", queries, low, high, graph.constant("last axis", np.array([-1])))

    def _feed_forward(self, value: str, layer: int) -> str:
        graph = self.graph
        wide = self._linear(self._norm(value, layer, "final_layernorm"), layer, "mlp/fc1", bias=True)
        passed, gate = graph.add_split("Split", 2, wide, axis=-1, num_outputs=2)
        gated = graph.add("Mul", graph.add("QuickGelu", gate, domain=MICROSOFT, alpha=1.0), passed)
        return self._linear(gated, layer, "mlp/fc2", bias=True)

    def _norm(self, value: str, layer: int, name: str) -> str:
        weight = self._weights.parameter(f"model.decoder.layers.{layer}.{name}.weight")
        return self.graph.norm(value, f"{layer}.{name}", weight)

    def _linear(self, value: str, layer: int, *names: str, bias: bool = False) -> str:
        graph, path, own = self.graph, f"model/decoder/layers.{layer}", f"{layer}.{names[0]}"
        products = [self._weights.product(f"{path}/{name}") for name in names]
        added = ""
        if bias:
            parameter = self._weights.parameter(f"{path}.{names[0]}.bias".replace("/", "."))
            added = graph.constant(f"{own}.bias", parameter)
        if block_products_are_stable():
            return graph.linear_in_blocks(value, own, products, added)
        quantised = graph.quantise_rows(value)
        made = graph.add("Mul", graph.linear_by_row(quantised, own, products), quantised[1])
        return graph.add("Add", made, added) if added else made
