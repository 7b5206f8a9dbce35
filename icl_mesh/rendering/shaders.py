"""GLSL programs of the renderer.

All geometry is in the camera optical frame (x right, y down, z forward), metres. The image is
rendered upside down in OpenGL's convention, so that rows are read from top to bottom.

``table`` holds one row per instance: 6 material slots of 3 texels each, then one texel with the
instance's tile transform (see materials.py for the layout).
"""

from __future__ import annotations

VERTEX = """
#version 330
uniform mat4 clip_from_camera;
uniform mat4 light_from_camera;
uniform bool tiled;
uniform sampler2D table;
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in vec3 in_rest;
in vec4 in_coverage;
in vec3 in_color;
in float in_instance;
out vec3 position;
out vec3 normal;
out vec2 uv;
out vec3 rest;
out vec4 coverage;
out vec3 color;
out vec4 light_position;
flat out int instance;

void main() {
    position = in_position;
    normal = in_normal;
    uv = in_uv;
    rest = in_rest;
    coverage = in_coverage;
    color = in_color;
    instance = int(in_instance + 0.5);
    light_position = light_from_camera * vec4(in_position, 1.0);
    gl_Position = clip_from_camera * vec4(in_position, 1.0);
    if (tiled) {
        vec4 tile = texelFetch(table, ivec2(18, instance), 0);
        gl_Position.xy = gl_Position.xy * tile.xy + tile.zw * gl_Position.w;
    }
}
"""

# The slot of a fragment is the last one with positive coverage, so that hems cross triangles
# smoothly. 0 skin (or the whole mesh), 1 lower garment, 2 upper garment, 3 shoes, 4 hair, 5 strands
# (coverage.w of 2, a separate mesh).
SLOT = """
int slot_of(vec4 coverage) {
    int slot = 0;
    if (coverage.x > 0.0) slot = 1;
    if (coverage.y > 0.0) slot = 2;
    if (coverage.z > 0.0) slot = 3;
    if (coverage.w > 0.0) slot = 4;
    if (coverage.w > 1.5) slot = 5;
    return slot;
}
"""

COLOR_FRAGMENT = (
    """
#version 330
uniform sampler2D table;
uniform sampler2DArray textures;
uniform sampler2DShadow shadow_map;
uniform bool shadows;
uniform float shadow_bias;
uniform vec3 up;
uniform vec3 sky;
uniform vec3 ground;
uniform vec3 light_direction[3];  // towards the light, camera frame
uniform vec3 light_color[3];
uniform float exposure;
in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 rest;
in vec4 coverage;
in vec3 color;
in vec4 light_position;
flat in int instance;
out vec4 fragment;
"""
    + SLOT
    + """
float lit_share() {
    if (!shadows) return 1.0;
    vec3 at = light_position.xyz * 0.5 + 0.5;
    if (any(lessThan(at, vec3(0.0))) || any(greaterThan(at, vec3(1.0)))) return 1.0;
    // bilinear filtering of the comparison
    return texture(shadow_map, vec3(at.xy, at.z - shadow_bias));
}

void main() {
    int slot = slot_of(coverage);
    vec4 a = texelFetch(table, ivec2(3 * slot, instance), 0);      // layer, tint
    vec4 b = texelFetch(table, ivec2(3 * slot + 1, instance), 0);  // scale, offset of the texture
    vec4 c = texelFetch(table, ivec2(3 * slot + 2, instance), 0);  // recolour, gloss, planar, lit
    if (a.x < -1.5) discard;
    vec2 at = mix(uv, rest.xy, c.z) * b.xy + b.zw;
    vec3 albedo = a.yzw * color;
    vec4 colour = texture(textures, vec3(at, max(floor(a.x), 0.0)));
    if (fract(a.x) > 0.1 && colour.a < 0.5) discard;
    vec3 texel = colour.rgb;
    if (a.x > -0.5) {
        float gray = dot(texel, vec3(0.3, 0.59, 0.11));
        albedo *= mix(texel, vec3(1.6 * gray), c.x);
    }
    if (c.w < 0.0) {  // shadow catcher: only receives shadows
        fragment = vec4(0.0, 0.0, 0.0, -c.w * (1.0 - lit_share()));
        return;
    }
    albedo *= albedo;  // to linear light, gamma 2
    vec3 view = -normalize(position);
    vec3 n = normalize(normal);
    float facing = dot(n, view);
    if (facing < 0.0) n = normalize(n - 2.0 * facing * view);
    float lit = lit_share();
    vec3 light = mix(ground, sky, 0.5 + 0.5 * dot(n, up));
    vec3 shine = vec3(0.0);
    for (int i = 0; i < 3; i++) {
        float share = i == 0 ? lit : 1.0;
        float cosine = dot(n, light_direction[i]);
        light += light_color[i] * share * max((cosine + 0.15) / 1.15, 0.0);
        if (c.y > 0.0) {
            vec3 halfway = normalize(light_direction[i] + view);
            float s = max(dot(n, halfway), 0.0);
            s *= s; s *= s; s *= s; s *= s;
            shine += light_color[i] * share * s;
        }
    }
    // ambient occlusion at edges of garments
    float edge = slot == 0 ? -max(max(coverage.x, coverage.y), max(coverage.z, coverage.w)) : 1.0;
    light *= 0.6 + 0.4 * clamp(edge * 60.0, 0.0, 1.0);
    vec3 linear = exposure * (mix(vec3(1.0), light, c.w) * albedo + c.y * shine);
    fragment = vec4(sqrt(clamp(linear, 0.0, 1.0)), 1.0);
}
"""
)

#: Instance and depth, no multisampling: r = instance id, g = z in metres.
INDEX_FRAGMENT = (
    """
#version 330
uniform sampler2D table;
uniform sampler2DArray textures;
in vec3 position;
in vec2 uv;
in vec4 coverage;
flat in int instance;
out vec2 fragment;
"""
    + SLOT
    + """
void main() {
    int slot = slot_of(coverage);
    float layer = texelFetch(table, ivec2(3 * slot, instance), 0).x;
    if (layer < -1.5) discard;
    if (fract(layer) > 0.1) {
        vec4 b = texelFetch(table, ivec2(3 * slot + 1, instance), 0);
        if (texture(textures, vec3(uv * b.xy + b.zw, floor(layer))).a < 0.5) discard;
    }
    fragment = vec2(float(instance), position.z);
}
"""
)

SHADOW_VERTEX = """
#version 330
uniform mat4 light_from_camera;
in vec3 in_position;
in float in_instance;
void main() {
    gl_Position = light_from_camera * vec4(in_position, 1.0);
    if (in_instance < 0.5 || in_instance > 199.5) gl_Position = vec4(9.0, 9.0, 9.0, 1.0);
}
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""

BACKGROUND_VERTEX = """
#version 330
in vec2 in_corner;
out vec2 at;
void main() { at = in_corner * 0.5 + 0.5; gl_Position = vec4(in_corner, 0.0, 1.0); }
"""

BACKGROUND_FRAGMENT = """
#version 330
uniform sampler2D image;
in vec2 at;
out vec4 fragment;
void main() { fragment = vec4(texture(image, at).rgb, 1.0); }
"""
